"""Batches: from what a user hands in, their rows, joining and moving them."""

from collections.abc import Collection, Iterator, Mapping
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from everlearn.types import Batch, InputError, column


def as_batch(given: Any) -> dict[str, Tensor]:
    """A batch from a mapping of columns or an `(x, y)` pair, as a DataLoader gives.

    Args:
        given: a mapping from name to tensor (or array), or a pair that becomes `x` and `y`.

    Raises:
        InputError: it is neither, has no rows, or its columns differ in length.

    >>> as_batch([torch.zeros(2, 3), torch.ones(2)])["y"]
    tensor([1., 1.])
    """
    if isinstance(given, tuple | list) and len(given) == 2:
        given = {"x": given[0], "y": given[1]}
    if not isinstance(given, Mapping) or not given:
        raise InputError(
            f"a batch is a mapping of columns such as {{'x': …, 'y': …}} or an (x, y) pair, not {_name(given)}"
        )
    batch = {name: _column(name, value) for name, value in given.items()}
    check_lengths(batch)
    if count(batch) == 0:
        raise InputError("a batch must have at least one row")
    return batch


def check_lengths(batch: Batch) -> None:
    """Refuse columns that have not equally many rows, or none at all.

    Raises:
        InputError: naming how many each has.
    """
    try:
        lengths = {name: values.shape[0] for name, values in batch.items()}
    except (AttributeError, IndexError, TypeError):
        raise InputError(
            f"a batch is a mapping of columns, tensors with a row for each example, not {batch!r:.80}"
        ) from None
    if len(set(lengths.values())) > 1:
        raise InputError(
            "the columns of a batch must have equally many rows: "
            + ", ".join(f"{name} has {length}" for name, length in lengths.items())
        )


def _column(name: str, value: Any) -> Tensor:
    try:
        value = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"column {name!r} cannot become a tensor: {error}") from error
    if value.ndim == 0:
        raise InputError(f"column {name!r} has no rows: a batch needs a first dimension, even for one example")
    return value


def _name(value: Any) -> str:
    return f"a {type(value).__name__}" + (f" of {len(value)}" if isinstance(value, tuple | list) else "")


def check_finite(batch: Batch) -> None:
    """Refuse a batch that holds NaN or infinity.

    Raises:
        InputError: naming the first such column and row.
    """
    # A sum is finite only if all its terms are, and cheaper to ask.
    for name, values in batch.items():
        if values.is_floating_point() and not isfinite(values.sum()) and not values.isfinite().all():
            row = int(values.isfinite().reshape(len(values), -1).all(1).logical_not().nonzero()[0])
            raise InputError(f"column {name!r} holds NaN or infinity, first in row {row}: nothing was learned from it")


def count(batch: Batch) -> int:
    """The number of rows; 0 for a batch without columns."""
    return next(iter(batch.values())).shape[0] if batch else 0


def split(batch: Batch, size: int) -> Iterator[Batch]:
    """All rows in order, so many at a time (views, no copies)."""
    for start in range(0, count(batch), size):
        yield {name: values[start : start + size] for name, values in batch.items()}


def rows(batch: Batch) -> Iterator[Batch]:
    """The rows in order, each as a batch of one (views, no copies)."""
    return split(batch, 1)


def take(batch: Batch, index: Tensor) -> Batch:
    """The rows at `index` (a 1-D tensor of row numbers), in that order."""
    columns = {name: values[index.to(values.device)] for name, values in batch.items()}
    return Padded(columns, batch.padding) if isinstance(batch, Padded) else columns


class Padded(Mapping[str, Tensor]):
    """A batch with columns whose rows differ in length: padded to the longest, and with what, by column."""

    def __init__(self, columns: Batch, padding: Mapping[str, float]) -> None:
        self._columns = columns
        self.padding = padding

    def __getitem__(self, name: str) -> Tensor:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def join(*batches: Batch) -> Batch:
    """All rows one after another, on the device of the first; batches without rows are skipped.

    Where one is `Padded`, shorter rows are padded to the longest.

    Raises:
        InputError: a column is missing from one, or its shape or dtype differs.

    >>> join({}, {"x": torch.zeros(1)}, {"x": torch.ones(2)})["x"]
    tensor([0., 1., 1.])
    >>> join({"x": torch.ones(1, 3)}, Padded({"x": torch.ones(1, 2)}, {"x": -1.0}))["x"]
    tensor([[ 1.,  1.,  1.],
            [ 1.,  1., -1.]])
    """
    parts = [batch for batch in batches if count(batch)]
    if not parts:
        return {}
    padding = {name: value for part in parts if isinstance(part, Padded) for name, value in part.padding.items()}
    for part in parts[1:]:
        check_alike(kinds(parts[0], padding), kinds(part, padding))
    return {name: _joined([part[name] for part in parts], padding.get(name)) for name in parts[0]}


def _joined(parts: list[Tensor], padding: float | None) -> Tensor:
    parts = [part.to(parts[0].device) for part in parts]
    if padding is not None:
        width = max(part.shape[1] for part in parts)
        missing = [part.new_full((len(part), width - part.shape[1], *part.shape[2:]), padding) for part in parts]
        parts = [torch.cat(both, 1) for both in zip(parts, missing, strict=True)]
    return torch.cat(parts)


Kind = tuple[torch.dtype, tuple[int | None, ...]]
"""What a column's rows are: dtype and shape, None for a length that differs."""


def kinds(batch: Batch, padding: Collection[str] = ()) -> dict[str, Kind]:
    """The kind of each column, some of which are padded.

    Raises:
        InputError: a padded one is not there, or has one number a row.
    """
    for name in padding:
        if column(batch, name, "padding=").ndim < 2:
            raise InputError(f"column {name!r} can't be padded: it has one number a row")
    return {
        name: (values.dtype, (None, *values.shape[2:]) if name in padding else tuple(values.shape[1:]))
        for name, values in batch.items()
    }


def check_alike(one: Mapping[str, Kind], other: Mapping[str, Kind]) -> None:
    """Refuse columns that are not of the same kinds.

    Raises:
        InputError: naming the column that only one has, or whose shape or dtype differs.
    """
    if one.keys() != other.keys():
        name = next(iter(one.keys() ^ other.keys()))
        raise InputError(f"column {name!r} is not in every batch: past and new ones must have the same columns")
    for name, (dtype, shape) in one.items():
        if (dtype, shape) != other[name]:
            raise InputError(
                f"column {name!r} changed: rows of shape {told(shape)}, {dtype} "
                f"can't be joined with rows of {told(other[name][1])}, {other[name][0]}"
            )


def told(shape: tuple[int | None, ...]) -> str:
    """A row's shape in words."""
    return str(tuple(shape)).replace("None", "any")


def move(batch: Batch, device: torch.device) -> Batch:
    """The same batch on `device`."""
    columns = {name: values.to(device) for name, values in batch.items()}
    return Padded(columns, batch.padding) if isinstance(batch, Padded) else columns
