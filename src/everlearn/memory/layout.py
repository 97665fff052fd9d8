"""How a row lies in bytes: its columns one after another, at a fixed place each."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

from everlearn.batches import count
from everlearn.types import Batch, InputError

ALIGNMENT = 16
"""Bytes: no number of any dtype lies across a border of so many."""

MOST = 2**40
"""Bytes of a row: no one has longer ones, and their number is still a number everywhere."""

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128),
    )
}


@dataclass(frozen=True)
class Field:
    """A column's part of a row."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    """Of one row: () for one number."""
    place: int
    """Byte of the row at which it begins."""

    @property
    def width(self) -> int:
        """Its bytes."""
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Layout:
    """The columns of a row, and their places in its bytes.

    >>> layout = Layout.of({"x": torch.zeros(1, 784, dtype=torch.uint8), "y": torch.zeros(1).long()})
    >>> layout.size, layout.fields["y"].place
    (800, 784)
    """

    fields: Mapping[str, Field]

    @classmethod
    def of(cls, batch: Batch) -> "Layout":
        """That of a batch's rows.

        Raises:
            InputError: a column has a dtype that is not kept.
        """
        return cls._made({name: (values.dtype, tuple(values.shape[1:])) for name, values in batch.items()})

    @classmethod
    def _made(cls, columns: Mapping[str, tuple[torch.dtype, tuple[int, ...]]]) -> "Layout":
        fields, place = {}, 0
        for name, (dtype, shape) in columns.items():
            if dtype not in DTYPES.values():
                raise InputError(f"column {name!r} is of {dtype}, which a memory does not keep")
            fields[name] = Field(dtype, shape, place)
            place += -(-fields[name].width // ALIGNMENT) * ALIGNMENT
        return cls(fields)

    @property
    def size(self) -> int:
        """Bytes of a row, a multiple of `ALIGNMENT`."""
        ends = (field.place + field.width for field in self.fields.values())
        return max(ALIGNMENT, -(-max(ends, default=0) // ALIGNMENT) * ALIGNMENT)

    def pack(self, batch: Batch) -> Tensor:
        """(rows, size) the bytes of a batch's rows, uint8."""
        packed = torch.zeros((count(batch), self.size), dtype=torch.uint8)
        for name, field in self.fields.items():
            values = batch[name].detach().cpu().reshape(len(packed), -1).contiguous()
            packed[:, field.place : field.place + field.width] = values.view(torch.uint8)
        return packed

    def rows(self, content: Tensor) -> Tensor:
        """(rows, size) the bytes of a file, one row after another; what is left at its end is none."""
        return content[: len(content) // self.size * self.size].reshape(-1, self.size)

    def columns(self, rows: Tensor) -> Batch:
        """(n, size) bytes as columns: views, whose rows do not lie side by side."""
        return {name: self.column(name, rows) for name in self.fields}

    def column(self, name: str, rows: Tensor) -> Tensor:
        """One of them."""
        field = self.fields[name]
        if field.width == 0:
            return torch.empty((len(rows), *field.shape), dtype=field.dtype)
        values = rows[:, field.place : field.place + field.width].view(field.dtype)
        return values.unflatten(1, field.shape) if field.shape else values[:, 0]

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {
            name: [str(field.dtype).removeprefix("torch."), list(field.shape)] for name, field in self.fields.items()
        }

    @classmethod
    def from_json(cls, given: Any) -> "Layout":
        """The layout that `as_json` told.

        Raises:
            InputError: it is none.
        """
        try:
            columns = {str(name): (DTYPES[dtype], tuple(map(int, shape))) for name, (dtype, shape) in given.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"these are no columns: {given!r:.200}") from error
        if any(not 0 <= length <= MOST for _, shape in columns.values() for length in shape):
            raise InputError(f"these are no columns: {given!r:.200}")
        made = cls._made(columns)
        if made.size > MOST:
            raise InputError(f"these are no columns: {given!r:.200}")
        return made
