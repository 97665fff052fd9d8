"""Omniglot: an alphabet a task, its characters one after another."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from everlearn.chance import generator
from everlearn.ranges import at_least, one_of
from everlearn.streams.datasets import load
from everlearn.types import Batch, InputError

# fmt: off
CHARACTERS = (
    20, 29, 26, 41, 40, 24, 46, 14, 26, 34, 33, 22, 26, 43, 24, 48, 22, 16, 52, 47, 40, 26, 40, 41, 33,
    14, 42, 23, 17, 55, 20, 26, 26, 26, 26, 26, 45, 45, 41, 26, 47, 40, 30, 45, 46, 28, 23, 25, 42, 26,
)
"""Of each alphabet, in the data set's order."""
# fmt: on
ALPHABETS = len(CHARACTERS)
DRAWERS = 20


@dataclass(frozen=True)
class Omniglot:
    """Each task is an alphabet, whose characters come one after another.

    As in Riemer et al. 2019, section 4: 50 alphabets, 1,623 characters drawn by 20 people each, 28 × 28
    pixels, nine tenths of the drawings for training, each seen once; labels count a task's own
    characters, for a network with a head for each task. What the paper leaves open is chosen so:
    alphabets and characters in the data set's order, the background set's first; of each character
    two drawings, drawn by lot, are for testing and the other 18 come in random order; ink is 1 and
    paper 0; images are shrunk by averaging (adaptive average pooling).
    """

    tasks: int = ALPHABETS
    """Alphabets, from the first."""
    batch_size: int = 1
    """Rows a batch; a batch never spans two tasks."""
    held_out: int = 2
    """Drawings of each character that are for testing."""
    shuffled: bool = False
    """Whether the alphabets come in random order."""
    ink: Literal["white", "black"] = "white"
    """Whether ink is 1 and paper 0, or the other way round."""
    seed: int = 0
    """Of which drawings are for testing, and of all orders; in an experiment, of all else too."""

    def __post_init__(self) -> None:
        at_least(1, tasks=self.tasks, batch_size=self.batch_size, held_out=self.held_out)
        at_least(0, seed=self.seed)
        if self.tasks > ALPHABETS or self.held_out >= DRAWERS:
            raise InputError(f"there are {ALPHABETS} alphabets with {DRAWERS} drawings of each character")
        one_of(("white", "black"), ink=self.ink)

    @property
    def classes(self) -> list[int]:
        """How many characters each task has."""
        return [CHARACTERS[alphabet] for alphabet in self._order()]

    @property
    def length(self) -> int:
        """Training examples of all tasks."""
        return sum(self.classes) * (DRAWERS - self.held_out)

    @property
    def data(self) -> str:
        """The data set's name."""
        return "omniglot"

    def train(self, task: int) -> Iterator[Batch]:
        """The training batches of one task: `x` (rows, 1, 28, 28) from 0 to 1, `y` and `task` (rows,)."""
        drawings, labels = self._drawings(task)
        drawings, labels = drawings[:, self.held_out :].flatten(), labels[:, self.held_out :].flatten()
        for rows in torch.arange(len(drawings)).split(self.batch_size):
            yield self._batch(drawings[rows], labels[rows], task)

    def test(self, task: int) -> Batch:
        """The drawings of one task that are not for training."""
        drawings, labels = self._drawings(task)
        return self._batch(drawings[:, : self.held_out].flatten(), labels[:, : self.held_out].flatten(), task)

    def __iter__(self) -> Iterator[Batch]:
        return chain.from_iterable(map(self.train, range(self.tasks)))

    def _order(self) -> list[int]:
        if not self.shuffled:
            return list(range(self.tasks))
        return torch.randperm(self.tasks, generator=generator(self.seed, "alphabets")).tolist()

    def _drawings(self, task: int) -> tuple[Tensor, Tensor]:
        """(characters, 20) numbers of a task's drawings, each character's in random order, and their labels."""
        alphabet = self._order()[task]
        chance = generator(self.seed, f"drawings of alphabet {alphabet}")
        drawings = torch.stack([own[torch.randperm(DRAWERS, generator=chance)] for own in _alphabets()[alphabet]])
        return drawings, torch.arange(len(drawings))[:, None].expand_as(drawings)

    def _batch(self, drawings: Tensor, labels: Tensor, task: int) -> Batch:
        x = _images()[drawings].float().div_(255)
        return {"x": x if self.ink == "white" else 1 - x, "y": labels, "task": torch.full_like(labels, task)}


@cache
def _alphabets() -> list[Tensor]:
    """For each alphabet the numbers of its drawings, (characters, 20)."""
    data = load("omniglot")
    alphabet, character = data["alphabet"].astype(int), data["character"].astype(int)
    order = torch.from_numpy(np.lexsort((data["drawer"], character, alphabet)))
    return [own.reshape(-1, DRAWERS) for own in order.split(np.bincount(alphabet).tolist())]


@cache
def _images() -> Tensor:
    """All drawings, (32460, 1, 28, 28) uint8, ink 255."""
    packed = torch.from_numpy(load("omniglot")["images"])
    return torch.cat([_shrunk(part) for part in packed.split(1000)])


def _shrunk(packed: Tensor) -> Tensor:
    bits = np.unpackbits(packed.numpy(), axis=1)[:, : 105 * 105].reshape(-1, 1, 105, 105)
    return adaptive_avg_pool2d(torch.from_numpy(bits * np.float32(255)), 28).round().to(torch.uint8)
