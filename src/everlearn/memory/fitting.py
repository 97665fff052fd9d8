"""How large a memory may be, in bytes."""

import torch

from everlearn.batches import count
from everlearn.memory.layout import Layout
from everlearn.memory.padding import APIECE, Padding, checked, lengths
from everlearn.types import Batch, InputError

SPARE = 16
"""Blocks on disk beyond those of the rows held: so many, or one for so many rows, whichever is more."""


def spare(capacity: int) -> int:
    """How many blocks more than rows a memory on disk has, while nothing is saved.

    >>> spare(10), spare(50_000)
    (16, 3125)
    """
    return max(SPARE, capacity // SPARE)


def fitting(nbytes: int, batch: Batch, padding: Padding | None = None) -> int:
    """How many rows like those of a batch fit into so many bytes, in RAM or in the rows' file on disk.

    On disk, saves need more: each that can be gone back to at most as much again, for the rows that have been replaced
    since.

    Args:
        nbytes: the budget.
        batch: one row or more, with all columns; where rows differ in length, as long as the longest here.
        padding: as the memory has it.

    Raises:
        InputError: not one row fits.

    >>> fitting(100_000_000, {"x": torch.zeros(1, 28, 28, dtype=torch.uint8), "y": torch.tensor([0])})
    117647
    """
    layout = Layout.of(batch, checked(padding))
    on_disk, in_ram = layout.pack(batch)[1] * layout.size, torch.full((count(batch),), layout.head)
    for name, length in lengths(batch, layout.padding).items():
        in_ram += APIECE + length * layout.ragged[name].width
    longest = int(torch.maximum(on_disk, in_ram).max())
    # Where rows differ in length, the file grows by a sixteenth, as it is not known beforehand how far.
    budget = nbytes * SPARE // (SPARE + 2) - 2 * SPARE * layout.size if layout.ragged else nbytes
    rows = budget // longest
    capacity = min(rows - SPARE, rows * SPARE // (SPARE + 1))
    if capacity < 1:
        raise InputError(f"{nbytes:,} bytes are too few for one row and {SPARE} spare ones of {longest:,}")
    return capacity
