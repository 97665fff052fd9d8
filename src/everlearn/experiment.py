"""An experiment as a value: a stream, a method, a memory, a network and a seed."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from everlearn import recorded
from everlearn.alignment import Meter
from everlearn.learner import Learner
from everlearn.losses import cross_entropy
from everlearn.memory import Reservoir, Ring
from everlearn.methods import GEM
from everlearn.networks import network
from everlearn.optimizers import OPTIMIZERS
from everlearn.ranges import at_least, one_of, positive
from everlearn.run import Evaluation, Event, Learned, TaskDone, run
from everlearn.streams import Omniglot, Permutations, Rotations
from everlearn.types import Memory, Method


@dataclass(frozen=True)
class Experiment:
    """One run, whole: a stream of images, the MER paper's network for it, a method and a memory.

    Everything random follows from `seed`; the stream's own seed is replaced by it.
    """

    stream: Rotations | Permutations | Omniglot
    """The tasks."""
    method: Method
    """How to learn them."""
    memory: int = 200
    """Rows that the memory holds at most."""
    lr: float = 0.1
    """The learning rate (the paper's alpha)."""
    hidden: tuple[int, ...] = ()
    """Widths of the hidden layers, or filters of Omniglot's convolutions; by default the paper's."""
    evaluation: Evaluation = field(default_factory=Evaluation)
    """What is tested when."""
    seed: int = 0
    """Of the data, the weights, the memory and the method."""
    optimizer: Literal["sgd", "adam", "rmsprop"] = "sgd"
    """Plain SGD, or Adam or RMSProp as torch has them by default."""
    keep: Literal["reservoir", "ring"] = "reservoir"
    """What the memory keeps: a uniform sample, or the last rows of each task; GEM always keeps a ring."""
    normalised: bool = True
    """Whether Omniglot's network has normalisation; the others have none."""
    alignment: int = 0
    """Batches from one reading of the gradients' alignment to the next; 0 takes none."""

    def __post_init__(self) -> None:
        at_least(1, memory=self.memory)
        at_least(0, seed=self.seed, alignment=self.alignment)
        positive(lr=self.lr)
        one_of(OPTIMIZERS, optimizer=self.optimizer)
        one_of(("reservoir", "ring"), keep=self.keep)

    @property
    def length(self) -> int:
        """Examples of the whole stream."""
        return self.stream.length

    @property
    def unit(self) -> str:
        """What its length is counted in."""
        return "ex"

    @property
    def label(self) -> str:
        """A short name."""
        return f"{type(self.method).__name__} seed {self.seed}"

    def progress(self, event: Event) -> tuple[int, str] | None:
        """Examples learned when a batch was, and from which task it was."""
        return (event.seen, f"task {(event.task or 0) + 1}") if isinstance(event, Learned) else None

    def config(self) -> dict[str, Any]:
        """All settings as JSON has them, each part with its class's name.

        Optimizer, memory and alignment are named where they are not as by default; so the older records still fit.
        """
        stream = replace(self.stream, seed=self.seed)
        others = {"optimizer": self.optimizer, "keep": self.keep, "alignment": self.alignment}
        return {
            "stream": _named(stream),
            "method": _named(self.method),
            "memory": self.memory,
            "lr": self.lr,
            "hidden": list(self._hidden),
            "evaluation": asdict(self.evaluation),
            "seed": self.seed,
            **({"normalised": self.normalised} if isinstance(self.stream, Omniglot) else {}),
            **{name: value for name, value in others.items() if value not in ("sgd", "reservoir", 0)},
        }

    def folder(self) -> str:
        """A name for the run's folder; runs that differ only in the seed share all but its end."""
        config = self.config()
        config["stream"].pop("seed")
        config.pop("seed")
        names = f"{type(self.stream).__name__}-{type(self.method).__name__}-{self.memory}".lower()
        return f"{names}-{recorded.key(config)}-seed{self.seed}"

    def learner(self) -> Learner:
        """A learner as this experiment begins with."""
        model, forward = network(
            replace(self.stream, seed=self.seed), self.method, self._hidden, self.seed, self.normalised
        )
        return Learner(
            model,
            OPTIMIZERS[self.optimizer](model.parameters(), lr=self.lr),
            cross_entropy,
            memory=self._memory(),
            method=self.method,
            forward=forward,
            seed=self.seed,
        )

    @property
    def _hidden(self) -> tuple[int, ...]:
        return self.hidden or ((64, 64, 64, 64) if isinstance(self.stream, Omniglot) else (100, 100))

    def _memory(self) -> Memory:
        if self.keep == "ring" or isinstance(self.method, GEM):
            return Ring(self.memory, self.stream.tasks, seed=self.seed)
        return Reservoir(self.memory, seed=self.seed)

    def is_finished(self, folder: Path) -> bool:
        """Whether a folder holds this run, whole."""
        return recorded.is_finished(folder, self.config())

    def perform(self, folder: Path) -> Iterator[Event]:
        """Run into a folder, or go on from the last finished task there; nothing where it is finished.

        The record holds every event but `Learned`. After each task the learner is saved; a run that goes
        on gives the same numbers as an unbroken one.

        Args:
            folder: of this run alone.

        Yields:
            The events, as `run` does.

        Raises:
            InputError: the folder holds a run of other settings, or another process is running there.
            OSError: the disk is full; the record is whole up to the last event.
        """
        return recorded.perform(folder, self.config(), self.learner().path, self._life, Learned)

    def _life(self, state: dict[str, Any] | None) -> Iterator[tuple[Event, dict[str, Any] | None]]:
        learner = self.learner()
        meter = Meter(learner, every=self.alignment, seed=self.seed) if self.alignment else None
        done = seen = 0
        if state is not None:
            done, seen = state["position"]["done"], state["position"]["seen"]
            learner.load_state_dict(state)
            if meter is not None:
                meter.load_state_dict(state["meter"])
        stream = replace(self.stream, seed=self.seed)
        for event in run(learner, stream, self.evaluation, meter=meter, done=done, seen=seen):
            saved = None
            if isinstance(event, TaskDone):
                saved = learner.state_dict() | {"position": {"done": event.task + 1, "seen": event.seen}}
                if meter is not None:
                    saved["meter"] = meter.state_dict()
            yield event, saved


def _named(part: Any) -> dict[str, Any]:
    return {"name": type(part).__name__, **asdict(part)}
