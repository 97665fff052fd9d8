"""Columns in RAM, with rows read and written by slot number."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from everlearn.batches import check_alike, kinds
from everlearn.memory.choice import DAMAGED, Choice
from everlearn.memory.layout import Layout, selected, signed
from everlearn.memory.padding import APIECE, Padding, Rows, flat, lengths, padded, split
from everlearn.memory.state import Counters
from everlearn.types import Batch, InputError


class Columns:
    """Room for so many rows, allocated when the first batch shows what a row is.

    Where a column's rows differ in length, each has a tensor of its own.

    Args:
        slots: how many rows there is room for.
        padding: the columns whose rows differ in length.
    """

    counters: ClassVar[Counters] = {}
    """Of what was there before: nothing."""
    closed = False
    """There is nothing to close."""
    at_once: int | None = None
    """Any number of rows may be written at once."""

    def __init__(self, slots: int, padding: Padding) -> None:
        self.slots, self.padding = slots, padding
        self.marks = torch.zeros(slots, dtype=torch.float64)
        """What the rule has noted of each row; to be read only."""
        self._layout: Layout | None = None
        self._columns: dict[str, Tensor] = {}
        self._ragged: dict[str, list[Tensor]] = {}
        self._no_row: dict[str, Tensor] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of all columns, and what tensors of rows take beside their numbers."""
        rows = [row for values in self._ragged.values() for row in values if row.numel()]
        return sum(values.nbytes for values in (*self._columns.values(), *rows)) + APIECE * len(rows)

    def expect(self, batch: Batch) -> None:
        """Check that rows are like those written before.

        Raises:
            InputError: a column's name, shape or dtype is not as in the first batch.
        """
        if self._layout is None:
            Layout.of(batch, self.padding)
        else:
            check_alike(self._layout.kinds, kinds(batch, self.padding))

    def write(self, slots: Tensor, batch: Batch, counters: Counters, marks: Sequence[float] | None = None) -> None:
        """Put the rows of `batch`, which `expect` has seen, into `slots` (each slot at most once)."""
        self._write(slots, self._trimmed(batch), marks)

    def count(self, counters: Counters) -> None:
        """Nothing here outlasts the process."""

    def _trimmed(self, batch: Batch) -> Rows:
        if not self.padding:
            return batch
        found = {name: own.tolist() for name, own in lengths(batch, self.padding).items()}
        return {
            name: [row[:n].detach().cpu().clone() for row, n in zip(values, found[name], strict=True)]
            if name in found
            else values
            for name, values in batch.items()
        }

    def _write(self, slots: Tensor, rows: Rows, marks: Sequence[float] | None) -> None:
        if self._layout is None:
            self._allocate(rows)
        for name, values in rows.items():
            if isinstance(values, list):
                for slot, row in zip(slots.tolist(), values, strict=True):
                    self._ragged[name][slot] = row
            else:
                signed(self._columns[name]).index_copy_(0, slots, signed(values.detach().cpu()))
        if marks is not None:
            self.marks[slots] = torch.tensor(marks, dtype=torch.float64)

    def _allocate(self, rows: Rows) -> None:
        first = {name: values[0][None] if isinstance(values, list) else values for name, values in rows.items()}
        self._layout = Layout.of(first, self.padding)
        for name, values in first.items():
            if name in self.padding:
                self._no_row[name] = values.new_empty((0, *values.shape[2:]))
                self._ragged[name] = [self._no_row[name]] * self.slots
            else:
                self._columns[name] = torch.zeros((self.slots, *values.shape[1:]), dtype=values.dtype)

    def rows(self, slots: Tensor) -> Rows:
        """The rows in `slots`, in that order; those that differ in length are not copied."""
        if self._layout is None:
            return {}
        return {
            name: [self._ragged[name][slot] for slot in slots.tolist()]
            if name in self._ragged
            else selected(self._columns[name], slots)
            for name in self._layout.kinds
        }

    def state(self, slots: Tensor) -> dict[str, dict[str, Tensor]]:
        """A copy of the rows in `slots` as `load` takes it, with their kinds where there are none."""
        rows = self.rows(slots)
        kinds = {name: [no_row, *rows[name]] for name, no_row in self._no_row.items()}
        columns, lengths = flat({**rows, **kinds})
        return {"columns": columns, "lengths": {name: found[1:] for name, found in lengths.items()}}

    def read(self, slots: Tensor) -> Batch:
        """The same as a batch."""
        rows = self.rows(slots)
        return padded(rows, self.padding) if self.padding else cast(Batch, rows)

    def show(self, slots: Tensor) -> Batch:
        """The rows in `slots`, to be read only: views, where those are the first ones in order."""
        n = len(slots)
        if self._ragged or not torch.equal(slots, torch.arange(n)):
            return self.read(slots)
        return {name: values[:n] for name, values in self._columns.items()}

    def chosen(self, slots: Tensor, choice: Choice) -> Tensor:
        """Which of the rows in `slots` are meant: (slots,) booleans."""
        if self._layout is None or choice is DAMAGED:
            return torch.zeros(len(slots), dtype=torch.bool)
        choice.check(self._layout.kinds)
        return choice({name: self._columns[name][slots] for name in choice.columns})

    def settle(self, kept: Tensor, slots: Tensor, counters: Counters, gone: Choice | None) -> None:
        """Move the rows in `kept` to `slots`, and wipe all others."""
        if self._layout is None:
            return
        rows, marks, stay = self.rows(kept), self.marks[kept].tolist(), set(kept.tolist())
        for values in self._columns.values():
            values.zero_()
        for name, values in self._ragged.items():
            for slot, row in enumerate(values):
                if slot not in stay:
                    row.zero_()
            self._ragged[name] = [self._no_row[name]] * self.slots
        self._write(slots, rows, marks)

    def flush(self, counters: Counters) -> None:
        """Nothing survives a crash."""

    def close(self) -> None:
        """Nothing is open."""

    def load(self, slots: Tensor, state: Mapping[str, Any]) -> None:
        """Hold the rows that `state` told, where there are none yet.

        Raises:
            InputError: a column has more rows than there are slots, or fewer.
        """
        columns, lengths = state["columns"], state["lengths"]
        rows = split(columns, lengths)
        if any(len(values) != len(slots) for values in (*rows.values(), state["marks"])):
            raise InputError("its columns have not equally many rows")
        if columns:
            self._allocate({name: [values] if name in lengths else values for name, values in columns.items()})
            self._write(slots, rows, state["marks"].tolist())
