"""One's own data as a sequence of tasks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch

from everlearn.batches import as_batch, count
from everlearn.types import Batch, Batches, InputError


@dataclass(frozen=True)
class Tasks:
    """One's own data as tasks: any iterables of batches, each with a test set.

    For experiments that compare methods; a learner itself needs no tasks. Two data sets are
    two tasks; a DataLoader is an iterable of batches.

    Raises:
        InputError: there are not as many test sets as tasks.

    >>> x, y = torch.zeros(4, 2), torch.tensor([0, 1, 0, 1])
    >>> stream = Tasks(training=[[(x, y)], [(x + 1, y)]], testing=[(x, y), (x + 1, y)])
    >>> [batch["task"][0].item() for batch in stream]
    [0, 1]
    """

    training: Sequence[Batches]
    """For each task an iterable of batches, gone through once."""
    testing: Sequence[Any]
    """For each task one batch or `(x, y)` pair: its whole test set."""

    def __post_init__(self) -> None:
        if len(self.training) != len(self.testing):
            raise InputError(f"there are {len(self.training)} tasks to train and {len(self.testing)} to test")

    @property
    def tasks(self) -> int:
        """How many there are."""
        return len(self.training)

    def train(self, task: int) -> Iterator[Batch]:
        """The batches of one task, with a column `task`."""
        return (_named(as_batch(given), task) for given in self.training[task])

    def test(self, task: int) -> Batch:
        """The test set of one task, with a column `task`."""
        return _named(as_batch(self.testing[task]), task)

    def __iter__(self) -> Iterator[Batch]:
        return chain.from_iterable(map(self.train, range(self.tasks)))


def _named(batch: Batch, task: int) -> Batch:
    return {**batch, "task": torch.full((count(batch),), task)}
