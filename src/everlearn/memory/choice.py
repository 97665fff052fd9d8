"""Which rows are meant, by their columns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from everlearn.batches import Kind, kinds, told
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
        lambda batch: torch.stack([torch.isin(batch[name], values) for name, values in wanted.items()]).all(0),
    )


def older(than: float, name: str) -> Choice:
    """Rows whose time, in the column of that name, is earlier."""
    return Choice((name,), lambda batch: batch[name] < than)


def _values(name: str, values: Any) -> Tensor:
    try:
        wanted = torch.as_tensor(list(values) if isinstance(values, range) else values).flatten()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name}={values!r:.80} are no numbers: {error}") from error
    return _number(wanted)


def _number(values: Tensor) -> Tensor:
    """In a dtype that torch compares with all others."""
    return values.long() if values.dtype in (torch.bool, torch.uint16, torch.uint32) else values
