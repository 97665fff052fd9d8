"""Weighted reservoir sampling: rows that weigh more are held with higher probability."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from everlearn.memory import keyed
from everlearn.memory.bounded import Admission, BoundedMemory
from everlearn.memory.padding import Padding
from everlearn.memory.state import Counters
from everlearn.ranges import at_least
from everlearn.types import Batch, InputError, column


class Weighted(BoundedMemory):
    """A-Res of Efraimidis and Spirakis (2006, Algorithm A): a weighted sample without replacement of all that came.

    Each row gets a key u^(1/w), where w is its weight and u is drawn uniformly from 0 to 1; those with
    the largest keys are held. So the rows are as if drawn one after another from all that came, each time
    with probabilities proportional to the weights of those that are left.

    The weight is a column of the row: a user's own number, or the row's loss before it is learned, as in
    ``learner.learn(batch | {"weight": learner.losses(batch)})``.

    The largest key that was ever refused or replaced is remembered. Where rows are deleted, new ones enter the
    free slots only with a larger one; so what is held is, whatever was deleted, all rows with a larger
    key that remain. Where none remain it begins anew.

    Args:
        capacity: rows held at most.
        by: the column of weights, one positive number a row.
        seed: of the keys and the draws, which are uniform and with replacement.
        path: a folder for the rows, which is gone on with; by default they are in RAM.
        saves: how many saved states one on disk can go back to.
        padding: the columns whose rows differ in length, and what they are padded with, as in
            ``padding={"tokens": 0}``: it is not kept, and rows are read padded to the longest of those drawn.
            Columns that are equally long in a batch stay equally long.

    Raises:
        InputError: the capacity is below 1; a weight is not positive; a batch's columns differ from the first
            one's; the folder holds another memory, or another process writes there.

    >>> memory = Weighted(100)
    >>> memory.add({"x": torch.arange(1000.0), "weight": torch.tensor([1.0, 9.0]).repeat(500)})
    >>> bool((memory.held()["weight"] == 9).sum() > 70)
    True
    """

    def __init__(
        self,
        capacity: int,
        *,
        by: str = "weight",
        seed: int = 0,
        path: str | Path | None = None,
        saves: int = 2,
        padding: Padding | None = None,
    ) -> None:
        at_least(1, capacity=capacity)
        super().__init__(ARes(capacity, by), seed=seed, path=path, saves=saves, padding=padding)


@dataclass(frozen=True)
class ARes:
    """The keys are logarithms of u^(1/w); counters and marks are those of `keyed`."""

    capacity: int
    by: str

    name = "weighted"

    @property
    def slots(self) -> int:
        """As many as rows."""
        return self.capacity

    def expect(self, counters: Counters, batch: Batch) -> None:
        """Rows with positive weights."""
        weights = column(batch, self.by, "Weighted")
        if weights.ndim != 1 or not ((weights > 0) & weights.isfinite()).all():
            raise InputError(f"Weighted needs one positive number a row in column {self.by!r}")

    def admit(self, counters: Counters, marks: Tensor, batch: Batch, chance: torch.Generator) -> Admission:
        """Algorithm A, with logarithms: log(u) / w."""
        weights = batch[self.by].double().cpu()
        keys = torch.rand(len(weights), dtype=torch.float64, generator=chance).log() / weights
        return keyed.admit(self.capacity, counters, marks, keys.tolist())

    def length(self, counters: Counters) -> int:
        """A counter."""
        return keyed.length(counters)

    def slots_of(self, counters: Counters, rows: Tensor) -> Tensor:
        """The first ones, in any order."""
        return rows

    def settle(self, counters: Counters, marks: Tensor, kept: Tensor) -> tuple[Tensor, Counters]:
        """Side by side."""
        return keyed.settle(counters, kept)
