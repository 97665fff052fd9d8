"""Commands for memories that are kept in folders."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isqrt
from pathlib import Path
from typing import Annotated

import torch
import tyro
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from everlearn.batches import Padded, told
from everlearn.memory.padding import flat
from everlearn.memory.reader import Reader
from everlearn.memory.reopen import reopen
from everlearn.memory.state import named
from everlearn.types import Batch, InputError

FEW = 12
"""Different values that are counted one by one; of more the range is told."""
PICTURES = 100
"""On a sheet, at most."""


@dataclass(frozen=True)
class Show:
    """Tell what a memory holds: rows, bytes, columns, and how their values are spread."""

    path: tyro.conf.Positional[Path]
    """The memory's folder."""
    pictures: Path | None = None
    """A PNG file, which is written: a sheet of pictures drawn from the memory."""

    def __call__(self) -> int:
        reader = Reader(self.path)
        held = reader.rows()
        if self.pictures is not None:
            _draw(reader.sample(PICTURES), self.pictures)
        print(f"{self.path}: {_printable(named(reader.rule))}")
        print(f"  rows    {len(reader):,} held, {reader.seen:,} offered")
        print(f"  files   {reader.nbytes:,} bytes")
        print(f"  saves   {reader.saves} that can be gone back to")
        if held:
            print(f"\n  {'column':<16} {'of a row':<22} values")
        for name, values in held.items():
            kind, spread = (
                _of_unlike_lengths(values) if isinstance(values, list) else (_kind(values), _spread(name, values))
            )
            print(f"  {_printable(name):<16} {kind:<22} {spread}")
        if self.pictures is not None:
            print(f"\npictures: {self.pictures.resolve()}")
        return 0


@dataclass(frozen=True)
class Export:
    """Write a memory's rows into one file, as columns.

    Where rows differ in length, one comes after another, and a column NAME.lengths tells how long each is.
    """

    path: tyro.conf.Positional[Path]
    """The memory's folder."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("memory.safetensors")
    """The safetensors file."""

    def __call__(self) -> int:
        reader = Reader(self.path)
        columns, lengths = flat(reader.rows())
        found = {f"{name}.lengths": values for name, values in lengths.items()}
        if both := columns.keys() & found.keys():
            raise InputError(f"the memory has a column {min(both)!r} itself")
        columns |= found
        try:
            save_file({name: values.contiguous() for name, values in columns.items()}, self.out)
        except SafetensorError as error:
            raise OSError(f"{self.out} could not be written: {error}") from error
        print(f"{len(reader):,} rows: {self.out.resolve()}")
        return 0


@dataclass(frozen=True)
class Delete:
    """Forget rows for good, in the files and in what was saved: everlearn memory delete PATH --by key --values 17."""

    path: tyro.conf.Positional[Path]
    """The memory's folder."""
    by: str | None = None
    """The column by which rows are chosen: key where --values are given, when where --older-than is."""
    values: tuple[int, ...] = ()
    """Rows that have one of these there are deleted."""
    older_than: float | None = None
    """Rows whose time there is earlier are deleted."""

    def __call__(self) -> int:
        if bool(self.values) == (self.older_than is not None):
            raise InputError("delete which rows? Give --values, such as --by key --values 17, or --older-than")
        memory = reopen(self.path)
        try:
            if self.older_than is None:
                gone = memory.delete(**{self.by or "key": self.values})
            else:
                gone = memory.expire(self.older_than, column=self.by or "when")
        finally:
            memory.close()
        print(f"{gone:,} rows deleted, {len(memory):,} left")
        return 0


@dataclass(frozen=True)
class Check:
    """Read every row and compare it with its checksum; exits with 1 where one is damaged."""

    path: tyro.conf.Positional[Path]
    """The memory's folder."""
    mend: bool = False
    """Delete those that are damaged."""

    def __call__(self) -> int:
        if self.mend:
            memory = reopen(self.path)
            print(f"{memory.mend():,} damaged rows deleted")
            memory.close()
        reader = Reader(self.path)
        damaged = reader.damaged()
        print(f"{len(reader):,} rows held, {damaged:,} damaged, of what was saved too")
        return 1 if damaged else 0


@dataclass(frozen=True)
class Memory:
    """Memories that are kept in folders: show one, export it, delete rows from it, or check it."""

    do: (
        Annotated[Show, tyro.conf.subcommand("show")]
        | Annotated[Export, tyro.conf.subcommand("export")]
        | Annotated[Delete, tyro.conf.subcommand("delete")]
        | Annotated[Check, tyro.conf.subcommand("check")]
    )

    def __call__(self) -> int:
        return self.do()


def _printable(name: str) -> str:
    """A name that a stranger may have given, without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _kind(values: Tensor) -> str:
    shape = f" {told(tuple(values.shape[1:]))}" if values.ndim > 1 else ""
    return f"{values.dtype}".removeprefix("torch.") + shape


def _of_unlike_lengths(rows: list[Tensor]) -> tuple[str, str]:
    lengths = [len(row) for row in rows]
    kind = f"{rows[0].dtype} {told((None, *rows[0].shape[1:]))}".removeprefix("torch.")
    return kind, f"{min(lengths):,} to {max(lengths):,} long, mean {sum(lengths) / len(lengths):.6g}"


def _spread(name: str, values: Tensor) -> str:
    """How a column's values are spread: each one's share where they are few, or from where to where."""
    if values.is_complex() or not values.numel():
        return ""
    if values.ndim == 1 and not values.is_floating_point():
        found, times = values.unique(return_counts=True)
        if len(found) <= FEW:
            return ", ".join(f"{one}: {n:,}" for one, n in zip(found.tolist(), times.tolist(), strict=True))
    low, high, mean = float(values.double().min()), float(values.double().max()), float(values.double().mean())
    if name == "when" and 1e9 < low <= high < 1e11:
        return f"{_moment(low)} to {_moment(high)}"
    return f"{low:.6g} to {high:.6g}, mean {mean:.6g}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _draw(rows: Batch, path: Path) -> None:
    """A sheet of the pictures that rows hold."""
    from matplotlib.image import imsave  # noqa: PLC0415

    pictures = _pictures(rows)
    if pictures is None:
        raise InputError(f"no column of this memory holds pictures: {', '.join(rows) or 'it is empty'}")
    low, high = pictures.min(), pictures.max()
    pictures = (pictures - low) / (high - low).clamp(min=1e-9)
    n, height, width, channels = pictures.shape
    across = isqrt(n - 1) + 1
    sheet = torch.ones(-(-n // across) * (height + 2), across * (width + 2), channels)
    for number, picture in enumerate(pictures):
        top, left = number // across * (height + 2), number % across * (width + 2)
        sheet[top + 1 : top + 1 + height, left + 1 : left + 1 + width] = picture
    try:
        imsave(path, sheet.expand(-1, -1, 3).numpy())
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} is no kind of picture, such as PNG: {error}") from error


def _pictures(rows: Mapping[str, Tensor]) -> Tensor | None:
    """(n, height, width, 1 or 3) of the first column that can be pictures, squares row by row among them."""
    for name, values in rows.items():
        if isinstance(rows, Padded) and name in rows.padding:
            continue
        match tuple(values.shape[1:]):
            case (pixels,) if pixels >= 64 and isqrt(pixels) ** 2 == pixels:
                return values.reshape(-1, isqrt(pixels), isqrt(pixels), 1).float()
            case (height, width) if min(height, width) >= 4:
                return values[..., None].float()
            case (1 | 3, height, width) if min(height, width) >= 4:
                return values.movedim(1, -1).float()
            case (height, width, 1 | 3) if min(height, width) >= 4:
                return values.float()
    return None
