"""Which rows are meant, by their columns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from torch import Tensor

from everlearn.batches import Kind, count, kinds, told
from everlearn.ranges import number
from everlearn.types import Batch, InputError


@dataclass(frozen=True)
class Choice:
    """Rows chosen by numbers that they have."""

    columns: tuple[str, ...]
    """Those that are looked at."""
    test: Callable[[Batch], Tensor]
    """Which rows of a batch of them: (rows,) booleans."""

    def check(self, known: Mapping[str, Kind]) -> None:
        """Refuse rows that have no such numbers.

        Raises:
            InputError: there is no such column, or it has more than one number a row.
        """
        for name in self.columns:
            if name not in known:
                raise InputError(f"choosing rows by it needs the column {name!r}; this batch has: {', '.join(known)}")
            dtype, shape = known[name]
            if shape or dtype.is_complex:
                raise InputError(f"column {name!r} is {dtype} {told(shape)} a row: rows are chosen by one real number")

    def __call__(self, batch: Batch) -> Tensor:
        """Which rows of a batch: (rows,) booleans.

        Raises:
            InputError: they have no such numbers.
        """
        self.check(kinds(batch))
        return self.test({name: _number(batch[name]) for name in self.columns})


DAMAGED = Choice((), lambda batch: torch.zeros(count(batch), dtype=torch.bool))
"""Rows that are not as they were written, by their checksums, whatever their columns say; none where there are none."""


def having(where: Mapping[str, Any]) -> Choice:
    """Rows that have, in each of some columns, a value or one of several.

    >>> having({"key": [3, 4]})({"key": torch.tensor([2, 3, 4, 5])})
    tensor([False,  True,  True, False])
    """
    if not where:
        raise InputError("which rows? Such as delete(key=17)")
    wanted = {name: _values(name, values) for name, values in where.items()}
    return Choice(
        tuple(wanted),
        lambda batch: torch.stack([_is_in(batch[name], values) for name, values in wanted.items()]).all(0),
    )


def older(than: float, name: str) -> Choice:
    """Rows whose time, in the column of that name, is earlier."""
    number("older_than", than)
    return Choice((name,), lambda batch: _is_below(batch[name], than))


def _is_in(numbers: Tensor, values: Tensor) -> Tensor:
    """Whether each number is one of some values, as its column would have them."""
    if numbers.is_floating_point():
        # A value beyond all that the column can have is not its infinity.
        own = values.to(numbers.dtype)
        return torch.isin(numbers, own[own.isfinite() == values.isfinite()])
    if values.is_floating_point():
        # Of integers none is a value between two of them, or beyond them all.
        values = values[(values == values.round()) & (values.abs() < 2.0**63)]
    return torch.isin(numbers.long(), values.long())


def _is_below(numbers: Tensor, bound: float) -> Tensor:
    """Whether each number is below a bound; torch would compare integers with it in float32, or in their own dtype."""
    if numbers.is_floating_point():
        return numbers.double() < bound
    if abs(bound) >= 2**63:
        return torch.full_like(numbers, bound > 0, dtype=torch.bool)
    return numbers.long() < ceil(bound)


def _values(name: str, values: Any) -> Tensor:
    try:
        values = list(values) if isinstance(values, range | set | frozenset) else values
        wanted = torch.as_tensor(values)
        if wanted.is_floating_point() and not isinstance(values, Tensor):
            # In float32 two times a minute apart are one.
            wanted = torch.as_tensor(values, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name}={values!r:.80} are no numbers: {error}") from error
    return _number(wanted.flatten())


def _number(values: Tensor) -> Tensor:
    """In a dtype that torch compares with all others."""
    return values.long() if values.dtype in (torch.bool, torch.uint16, torch.uint32) else values
