"""The command that compares two checkpoints."""

import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import tyro
from safetensors import SafetensorError
from safetensors.torch import load_file

from everlearn.gate import Gate as Compare
from everlearn.gate import Verdict, accuracy, minus_loss
from everlearn.learner import Learner
from everlearn.memory.reader import Reader
from everlearn.types import Batch, Diverged, InputError


@runtime_checkable
class HasWeights(Protocol):
    """A learner, or an agent who has one."""

    def load_weights(self, path: Path, /) -> None:
        """Take the weights that were saved."""
        ...


SCORES = {"loss": minus_loss, "accuracy": accuracy}


@dataclass(frozen=True)
class Gate:
    """Compare a checkpoint with the one before, on rows kept back: exits with 1 where it forgets, with 2 where
    that can't be told, else with 0."""

    checkpoint: tyro.conf.Positional[Path]
    """The candidate, as learner.save has written it."""
    against: Path
    """The version before."""
    learner: str
    """A function without arguments that makes the learner, or the agent, such as serving:make_learner, in a module
    that can be imported from here. Only its weights are loaded."""
    probes: tuple[Path, ...]
    """Safetensors files of columns, or folders of memories, one for each slice; their names tell the slices."""
    score: str = "loss"
    """Of each row, higher is better: loss (negated), accuracy, or a function such as serving:score."""
    tolerance: float = 0.0
    """How far the mean score of a slice may fall."""
    confidence: float = 0.95
    """Of all tests together."""
    refuse: Literal["worse", "unsure"] = "worse"
    """What is worse for sure, or also what may be."""

    def __call__(self) -> int:
        try:
            verdict = self._verdict()
        except (InputError, Diverged, OSError):
            raise
        except (Exception, SystemExit):  # One's own code may raise anything, and 1 says that a checkpoint forgets.
            traceback.print_exc()
            return 2
        print(verdict)
        return 0 if verdict.accepted else 1

    def _verdict(self) -> Verdict:
        sys.path.insert(0, str(Path.cwd()))
        learner = _function(self.learner)()
        if not isinstance(learner, HasWeights):
            raise InputError(
                f"{self.learner} must give an everlearn.Learner or an agent, not a {type(learner).__name__}"
            )
        if not isinstance(learner, Learner) and self.score in SCORES:
            raise InputError(f"what is no Learner needs a --score of its own, not {self.score}")
        score = SCORES[self.score] if self.score in SCORES else _function(self.score)
        gate = Compare(
            {_name(path, self.probes): _rows(path) for path in self.probes},
            score=score,
            tolerance=self.tolerance,
            confidence=self.confidence,
            refuse=self.refuse,
        )
        learner.load_weights(self.against)
        gate.accept(learner)
        learner.load_weights(self.checkpoint)
        return gate.check(learner)


def _function(name: str) -> Any:
    """What a name such as module:function means."""
    module, _, function = name.partition(":")
    try:
        return getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"there is no {name!r}: name a function as module:function ({error})") from error


def _name(path: Path, probes: tuple[Path, ...]) -> str:
    """The file's own, where no other probe has it."""
    return path.stem if sum(one.stem == path.stem for one in probes) == 1 else str(path)


def _rows(path: Path) -> Batch:
    if path.is_dir():
        if not (rows := Reader(path).held()):
            raise InputError(f"the memory at {path} holds no rows: it can't be a probe")
        return rows
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is no safetensors file of rows: {error}") from error
