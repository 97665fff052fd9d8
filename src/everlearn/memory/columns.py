"""Columns of fixed length in RAM, with rows read and written by slot number."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from everlearn.batches import check_alike
from everlearn.memory.layout import Layout
from everlearn.memory.state import Counters
from everlearn.types import Batch, InputError


class Columns:
    """Room for so many rows, allocated when the first batch shows what a row is.

    Args:
        slots: how many rows there is room for.
    """

    counters: ClassVar[Counters] = {}
    """Of what was there before: nothing."""
    closed = False
    """There is nothing to close."""
    at_once: int | None = None
    """Any number of rows may be written at once."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.marks = torch.zeros(slots, dtype=torch.float64)
        """What the rule has noted of each row; to be read only."""
        self._columns: dict[str, Tensor] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of all columns."""
        return sum(values.nbytes for values in self._columns.values())

    def expect(self, batch: Batch) -> None:
        """Check that rows are like those written before.

        Raises:
            InputError: a column's name, shape or dtype is not as in the first batch.
        """
        if self._columns:
            check_alike(self._columns, batch)
        else:
            Layout.of(batch)

    def write(self, slots: Tensor, batch: Batch, counters: Counters, marks: Sequence[float] | None = None) -> None:
        """Put the rows of `batch`, which `expect` has seen, into `slots` (each slot at most once)."""
        if not self._columns:
            self._columns = {
                name: torch.zeros((self.slots, *values.shape[1:]), dtype=values.dtype) for name, values in batch.items()
            }
        for name, values in batch.items():
            self._columns[name].index_copy_(0, slots, values.detach().cpu())
        if marks is not None:
            self.marks[slots] = torch.tensor(marks, dtype=torch.float64)

    def read(self, slots: Tensor) -> Batch:
        """A copy of the rows in `slots`, in that order."""
        return {name: values.index_select(0, slots) for name, values in self._columns.items()}

    def show(self, slots: Tensor) -> Batch:
        """The rows in `slots`, to be read only: views, where those are the first ones in order."""
        n = len(slots)
        if torch.equal(slots, torch.arange(n)):
            return {name: values[:n] for name, values in self._columns.items()}
        return self.read(slots)

    def settle(self, kept: Tensor, slots: Tensor, counters: Counters, gone: Callable[[Batch], Tensor]) -> None:
        """Move the rows in `kept` to `slots`, and wipe all others."""
        if not self._columns:
            return
        rows, marks = self.read(kept), self.marks[kept].tolist()
        for values in self._columns.values():
            values.zero_()
        self.write(slots, rows, counters, marks)

    def flush(self, counters: Counters) -> None:
        """Nothing survives a crash."""

    def close(self) -> None:
        """Nothing is open."""

    def load(self, slots: Tensor, rows: Batch, marks: Tensor) -> None:
        """Hold these rows and no others."""
        self._columns = {}
        if rows:
            self.write(slots, rows, {}, marks.tolist())


def check_capacity(capacity: int) -> None:
    """Refuse a memory without room.

    Raises:
        InputError: naming the capacity.
    """
    if capacity < 1:
        raise InputError(f"capacity must be at least 1 row, not {capacity}")
