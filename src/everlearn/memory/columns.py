"""Columns of fixed length in RAM, with rows read and written by slot number."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from everlearn.batches import check_alike
from everlearn.types import Batch, InputError


class Columns:
    """Room for `capacity` rows, allocated when the first batch shows what a row is.

    Args:
        capacity: how many rows there is room for, at least 1.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise InputError(f"capacity must be at least 1 row, not {capacity}")
        self.capacity = capacity
        self._columns: dict[str, Tensor] = {}

    def write(self, slots: Tensor, batch: Batch) -> None:
        """Put the rows of `batch`, which `expect` has seen, into `slots` (each slot at most once)."""
        if not self._columns:
            self._columns = {
                name: torch.zeros((self.capacity, *values.shape[1:]), dtype=values.dtype)
                for name, values in batch.items()
            }
        for name, values in batch.items():
            self._columns[name].index_copy_(0, slots, values.detach().cpu())

    def expect(self, batch: Batch) -> None:
        """Check that rows are like those written before.

        Raises:
            InputError: a column's name, shape or dtype is not as in the first batch.
        """
        if self._columns:
            check_alike(self._columns, batch)

    def read(self, slots: Tensor) -> Batch:
        """A copy of the rows in `slots`, in that order."""
        return {name: values.index_select(0, slots) for name, values in self._columns.items()}

    def first(self, length: int) -> Batch:
        """Views of the first `length` rows; without columns where that is none."""
        return {name: values[:length] for name, values in self._columns.items()} if length else {}

    def state_dict(self, length: int) -> dict[str, Tensor]:
        """The first `length` rows of every column."""
        return {name: values[:length].clone() for name, values in self._columns.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Become the columns that `state` was taken from."""
        self._columns = {}
        if state:
            self.write(torch.arange(len(next(iter(state.values())))), state)


def check_rule(state: Mapping[str, Any], rule: str) -> None:
    """Refuse the state of a memory of another rule.

    Raises:
        InputError: naming both.
    """
    if state.get("rule") != rule:
        raise InputError(f"the saved memory is a {state.get('rule')}, this one a {rule}")


def at_most(n: int, held: int) -> int:
    """How many rows a draw of n has, where so many are held.

    Raises:
        InputError: n is negative.
    """
    if n < 0:
        raise InputError(f"cannot sample {n} rows")
    return min(n, held)
