"""MNIST Permutations and Many Permutations."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from everlearn.chance import generator
from everlearn.ranges import at_least
from everlearn.streams.remapped import check_data, test_batch, train_batches
from everlearn.types import Batch


@dataclass(frozen=True)
class Permutations:
    """Each task shows the same images with their pixels in an order of its own.

    MNIST Permutations as in Riemer et al. 2019 (after Lopez-Paz and Ranzato 2017): every task,
    the first too, has a random permutation of the 784 pixels; its examples are a random
    subset of the training set, seen once. Many Permutations is
    `Permutations(tasks=100, examples=200)`. Batches are made as they are asked for.
    """

    tasks: int = 20
    """Tasks, one after another."""
    examples: int = 1000
    """Training examples of each task."""
    batch_size: int = 1
    """Rows a batch."""
    data: str = "mnist"
    """The data set: mnist or fashion-mnist."""
    seed: int = 0
    """Of the permutations and the examples; in an experiment, of all else too."""

    def __post_init__(self) -> None:
        at_least(1, tasks=self.tasks, examples=self.examples, batch_size=self.batch_size)
        at_least(0, seed=self.seed)
        check_data(self.data)

    @property
    def length(self) -> int:
        """Training examples of all tasks."""
        return self.tasks * self.examples

    def pixels(self, task: int) -> Tensor:
        """(784,) for each place of a task's image, the number of the pixel that shows there."""
        return torch.randperm(784, generator=generator(self.seed, f"permutation of task {task}"))

    def train(self, task: int) -> Iterator[Batch]:
        """The training batches of one task, with columns `x`, `y` and `task`."""
        chance = generator(self.seed, f"examples of task {task}")
        return train_batches(self.data, self.pixels(task), task, self.examples, self.batch_size, chance)

    def test(self, task: int) -> Batch:
        """All 10,000 test images as this task shows them."""
        return test_batch(self.data, self.pixels(task), task)

    def __iter__(self) -> Iterator[Batch]:
        return chain.from_iterable(map(self.train, range(self.tasks)))
