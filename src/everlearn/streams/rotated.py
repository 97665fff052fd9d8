"""MNIST Rotations."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from math import cos, floor, radians, sin

import torch
from torch import Tensor

from everlearn.chance import generator
from everlearn.ranges import at_least
from everlearn.streams.remapped import check_data, test_batch, train_batches
from everlearn.types import Batch


@dataclass(frozen=True)
class Rotations:
    """Each task shows the same images turned further.

    MNIST Rotations as in Riemer et al. 2019 (after Lopez-Paz and Ranzato 2017): the half turn
    is cut into as many bins as there are tasks, and task t turns all its images, training
    and test, counter-clockwise by an angle drawn from bin t, to the nearest pixel. Its
    examples are a random subset of the training set, seen once. Batches are made as they
    are asked for.
    """

    tasks: int = 20
    """Tasks, one after another, each turned further."""
    examples: int = 1000
    """Training examples of each task."""
    batch_size: int = 1
    """Rows a batch."""
    data: str = "mnist"
    """The data set: mnist or fashion-mnist."""
    seed: int = 0
    """Of the angles and the examples; in an experiment, of all else too."""

    def __post_init__(self) -> None:
        at_least(1, tasks=self.tasks, examples=self.examples, batch_size=self.batch_size)
        at_least(0, seed=self.seed)
        check_data(self.data)

    @property
    def length(self) -> int:
        """Training examples of all tasks."""
        return self.tasks * self.examples

    def angle(self, task: int) -> float:
        """How far a task's images are turned, in degrees."""
        place = torch.rand((), dtype=torch.float64, generator=generator(self.seed, f"angle of task {task}"))
        return 180 / self.tasks * (task + place.item())

    def pixels(self, task: int) -> Tensor:
        """(784,) for each place of a task's image, the number of the pixel that shows there."""
        return turned(self.angle(task))

    def train(self, task: int) -> Iterator[Batch]:
        """The training batches of one task, with columns `x`, `y` and `task`."""
        chance = generator(self.seed, f"examples of task {task}")
        return train_batches(self.data, self.pixels(task), task, self.examples, self.batch_size, chance)

    def test(self, task: int) -> Batch:
        """All 10,000 test images as this task shows them."""
        return test_batch(self.data, self.pixels(task), task)

    def __iter__(self) -> Iterator[Batch]:
        return chain.from_iterable(map(self.train, range(self.tasks)))


def turned(angle: float, size: int = 28) -> Tensor:
    """For each place of a square image turned counter-clockwise, the pixel that shows there.

    Nearest neighbour in 16-bit fixed point, which gives Pillow's pixels exactly.

    Args:
        angle: in degrees.
        size: of a side, in pixels.

    Returns:
        (size²,) row-major pixel numbers; size² where the place lies outside of the image.

    >>> turned(90, size=2)
    tensor([1, 3, 0, 2])
    """
    c, s, middle = cos(radians(angle)), sin(radians(angle)), (size - 1) / 2
    place = torch.arange(size)
    column, row = place[None, :], place[:, None]
    x = (_fixed(size / 2 - middle * (c - s)) + column * _fixed(c) - row * _fixed(s)) >> 16
    y = (_fixed(size / 2 - middle * (s + c)) + column * _fixed(s) + row * _fixed(c)) >> 16
    inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
    return torch.where(inside, y * size + x, size * size).flatten()


def _fixed(value: float) -> int:
    return floor(value * (1 << 16) + 0.5)
