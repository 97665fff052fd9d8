"""Which rows are meant, by their columns."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from everlearn.batches import count
from everlearn.types import Batch, InputError, column

Choice = Callable[[Batch], Tensor]
"""Which rows of a batch: (rows,) booleans."""


def having(where: Mapping[str, Any]) -> Choice:
    """Rows that have, in each of some columns, a value or one of several.

    >>> having({"key": [3, 4]})({"key": torch.tensor([2, 3, 4, 5])})
    tensor([False,  True,  True, False])
    """
    if not where:
        raise InputError("which rows? Such as delete(key=17)")
    wanted = {name: _values(name, values) for name, values in where.items()}

    def chosen(batch: Batch) -> Tensor:
        marks = torch.ones(count(batch), dtype=torch.bool)
        for name, values in wanted.items():
            marks &= torch.isin(_number(batch, name), values)
        return marks

    return chosen


def older(than: float, name: str) -> Choice:
    """Rows whose time, in the column of that name, is earlier."""
    return lambda batch: _number(batch, name) < than


def _values(name: str, values: Any) -> Tensor:
    try:
        wanted = torch.as_tensor(list(values) if isinstance(values, range) else values).flatten()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name}={values!r:.80} are no numbers: {error}") from error
    return wanted.long() if wanted.dtype is torch.bool else wanted


def _number(batch: Batch, name: str) -> Tensor:
    values = column(batch, name, "choosing rows by it")
    if values.ndim != 1 or values.is_complex():
        raise InputError(
            f"column {name!r} is {values.dtype} {tuple(values.shape[1:])} a row: rows are chosen by one real number"
        )
    return values.long() if values.dtype is torch.bool else values
