"""How a row lies in bytes: its columns of fixed length at a place each, then those whose rows differ in length."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any, TypeVar

import torch
from torch import Tensor

from everlearn.batches import Kind, count, kinds
from everlearn.memory.padding import Padding, Rows, lengths, padded
from everlearn.types import Batch, InputError

ALIGNMENT = 16
"""Bytes: no number of any dtype lies across a border of so many."""

SHARE = 256
"""Bytes of a block for what differs in length, at least."""

QUARTER = 4
"""So many blocks are for what differs in length in the first rows, on average; of each row's last, half is empty."""

MOST = 2**40
"""Bytes of a row: no one has longer ones, and their number is still a number everywhere."""

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
        *(torch.uint16, torch.uint32),
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128),
    )
}

SIGNED = {torch.uint16: torch.int16, torch.uint32: torch.int32}


def signed(values: Tensor) -> Tensor:
    """The same bits in a dtype that torch can read and write by number."""
    other = SIGNED.get(values.dtype)
    return values if other is None else values.view(other)


def selected(values: Tensor, index: Tensor) -> Tensor:
    """A copy of the rows at `index`, in that order."""
    if values.dtype not in SIGNED:
        return values.index_select(0, index)
    return signed(values).index_select(0, index).view(values.dtype)


Size = TypeVar("Size", int, Tensor)


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
class Ragged:
    """A column whose rows differ in length."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    """Of one element of a row: () for one number."""
    padding: float
    length: Field
    """Where a row tells its length."""

    @property
    def width(self) -> int:
        """Bytes of an element."""
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Layout:
    """The columns of a row, and their places in its bytes.

    A row takes one block of bytes; where columns differ in length, as many as it needs.

    >>> layout = Layout.of({"x": torch.zeros(1, 784, dtype=torch.uint8), "y": torch.zeros(1).long()})
    >>> layout.size, layout.fields["y"].place
    (800, 784)
    """

    kinds: Mapping[str, Kind]
    """Of all columns, in their order."""
    fields: Mapping[str, Field]
    ragged: Mapping[str, Ragged] = field(default_factory=dict)
    share: int = 0
    """Bytes of a block for what differs in length."""

    @classmethod
    def of(cls, batch: Batch, padding: Padding | None = None) -> "Layout":
        """That of a batch's rows, some of whose columns differ in length.

        Raises:
            InputError: a column has a dtype that is not kept, or can't be padded so.
        """
        made = cls._made(kinds(batch, padding or {}), padding or {})
        if not made.ragged:
            return made
        found = lengths(batch, made.padding)
        needed = sum(int(found[name].sum()) * one.width for name, one in made.ragged.items())
        return replace(made, share=_aligned(max(SHARE, needed // max(1, QUARTER * count(batch)))))

    @classmethod
    def _made(cls, columns: Mapping[str, Kind], padding: Padding) -> "Layout":
        fields, ragged, place = {}, {}, 0
        for name, (dtype, shape) in columns.items():
            if not isinstance(name, str):
                raise InputError(f"a column's name is a string, not {name!r}")
            if dtype not in DTYPES.values():
                raise InputError(f"column {name!r} is of {dtype}, which a memory does not keep")
            if name in padding:
                part = Field(torch.int64, (), place)
                ragged[name] = Ragged(dtype, _fixed(shape[1:]), _checked(name, dtype, padding[name]), part)
            else:
                part = fields[name] = Field(dtype, _fixed(shape), place)
            place += _aligned(part.width)
            if name in padding and not ragged[name].width:
                raise InputError(f"column {name!r} has elements without a number")
        return cls(columns, fields, ragged)

    @property
    def padding(self) -> dict[str, float]:
        """What the columns are padded with whose rows differ in length."""
        return {name: one.padding for name, one in self.ragged.items()}

    @cached_property
    def head(self) -> int:
        """Bytes of a row that are there whatever its length, a multiple of `ALIGNMENT`."""
        parts = (*self.fields.values(), *(one.length for one in self.ragged.values()))
        return max(ALIGNMENT, _aligned(max((part.place + part.width for part in parts), default=0)))

    @cached_property
    def size(self) -> int:
        """Bytes of a block, a multiple of `ALIGNMENT`."""
        return self.head + self.share

    def pack(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The bytes of a batch's rows.

        Returns:
            (blocks, size) uint8, row after row; and (rows,) how many blocks each takes.
        """
        found = lengths(batch, self.padding)
        starts, taken = self._spans(found, count(batch))
        content = torch.zeros((int(taken.sum()), self.size), dtype=torch.uint8)
        heads = content if not self.ragged else torch.zeros((count(batch), self.size), dtype=torch.uint8)
        for name, part in self.fields.items():
            self._fill(heads, part, batch[name])
        for name, one in self.ragged.items():
            self._fill(heads, one.length, found[name])
        if self.ragged:
            content[_firsts(taken)] = heads
            for name in self.ragged:
                for start, length, values in zip(starts[name].tolist(), found[name].tolist(), batch[name], strict=True):
                    plain = values[:length].detach().cpu().resolve_conj().resolve_neg()
                    own = plain.reshape(-1).contiguous().view(torch.uint8)
                    content.view(-1)[start : start + len(own)] = own
        return content, taken

    @staticmethod
    def _fill(heads: Tensor, part: Field, values: Tensor) -> None:
        flat = values.detach().cpu().resolve_conj().resolve_neg().reshape(len(heads), -1).contiguous()
        heads[:, part.place : part.place + part.width] = flat.view(torch.uint8)

    def unpack(self, content: Tensor, taken: Tensor) -> Rows:
        """What `pack` packed: views of it.

        Raises:
            InputError: it packed something else.
        """
        heads = content[_firsts(taken)] if self.ragged else content
        found = {name: self._values(one.length, heads) for name, one in self.ragged.items()}
        has = all(
            ((found[name] >= 0) & (found[name] <= taken * self.size // one.width)).all()
            for name, one in self.ragged.items()
        )
        starts, needed = self._spans(found, len(heads)) if has else ({}, taken[:0])
        if not torch.equal(needed, taken):
            raise InputError("a row tells a length that it has not")
        columns: dict[str, Tensor | list[Tensor]] = {name: self.column(name, heads) for name in self.fields}
        for name, one in self.ragged.items():
            flat, sizes = content.reshape(-1), (found[name] * one.width).tolist()
            columns[name] = [
                flat[start : start + size].view(one.dtype).reshape(-1, *one.shape)
                for start, size in zip(starts[name].tolist(), sizes, strict=True)
            ]
        return {name: columns[name] for name in self.kinds}

    def batch(self, content: Tensor, taken: Tensor) -> Batch:
        """The same, padded to the longest.

        Raises:
            InputError: it packed something else.
        """
        return padded(self.unpack(content, taken), self.padding)

    def _spans(self, found: Mapping[str, Tensor], rows: int) -> tuple[dict[str, Tensor], Tensor]:
        """Of rows whose columns are so long: at which byte of all each begins, and how many blocks the rows take."""
        places, place = {}, torch.full((rows,), self.head)
        for name, one in self.ragged.items():
            places[name] = place
            place = place + _aligned(found[name] * one.width)
        taken = -(-place // self.size)
        begin = _firsts(taken) * self.size
        return {name: begin + place for name, place in places.items()}, taken

    def rows(self, content: Tensor) -> Tensor:
        """(blocks, size) the bytes of a file, one block after another; what is left at its end is none."""
        return content[: len(content) // self.size * self.size].reshape(-1, self.size)

    def column(self, name: str, heads: Tensor) -> Tensor:
        """A column of fixed length from (n, …) bytes of rows' first blocks: a view."""
        return self._values(self.fields[name], heads)

    @staticmethod
    def _values(part: Field, heads: Tensor) -> Tensor:
        if part.width == 0:
            return torch.empty((len(heads), *part.shape), dtype=part.dtype)
        values = heads[:, part.place : part.place + part.width].view(part.dtype)
        return values.unflatten(1, part.shape) if part.shape else values[:, 0]

    def as_json(self) -> dict[str, Any]:
        """The columns, as `from_json` reads them."""
        return {
            name: [
                str(dtype).removeprefix("torch."),
                list(shape),
                *([self.padding[name]] if name in self.ragged else []),
            ]
            for name, (dtype, shape) in self.kinds.items()
        }

    @classmethod
    def from_json(cls, given: Any, share: Any) -> "Layout":
        """The layout whose columns `as_json` told, and which has that share.

        Raises:
            InputError: it is none.
        """
        wrong = InputError(f"these are no columns: {given!r:.200}")
        try:
            columns, padding = {}, {}
            for name, (dtype, shape, *more) in given.items():
                padding |= {str(name): value for value in more}
                known = tuple(int(length) for length in (shape[1:] if more else shape))
                if any(not 0 <= length <= MOST for length in known):
                    raise wrong
                columns[str(name)] = (DTYPES[dtype], (None, *known) if more else known)
            made = replace(cls._made(columns, padding), share=int(share))
        except (AttributeError, KeyError, OverflowError, RuntimeError, TypeError, ValueError) as error:
            raise wrong from error
        fits = made.share % ALIGNMENT == 0 and (made.share >= SHARE if made.ragged else made.share == 0)
        if not fits or made.size > MOST or any(one.width > MOST for one in made.ragged.values()):
            raise wrong
        return made


def _aligned(size: Size) -> Size:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _firsts(taken: Tensor) -> Tensor:
    """The number of each row's first block, of rows that take so many."""
    return taken.cumsum(0) - taken


def _fixed(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    return tuple(length for length in shape if length is not None)


def _checked(name: str, dtype: torch.dtype, value: float) -> float:
    """A padding that is one of the column's numbers."""
    try:
        fits = torch.tensor(value, dtype=dtype).item() == value
    except (OverflowError, RuntimeError):
        fits = False
    if not fits:
        raise InputError(f"column {name!r} can't be padded with {value!r}, which {dtype} has not")
    return value
