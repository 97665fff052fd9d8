"""Rows that take several blocks: after each block comes another, or none."""

from itertools import pairwise
from zlib import crc32

import torch
from torch import Tensor

from everlearn.types import InputError

END = -1


def chained(first: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """The blocks of rows.

    Args:
        first: (rows,) the first block of each.
        after: (blocks,) the next of each, or `END`; empty where every row takes one.

    Returns:
        (blocks,) theirs, row after row; and (rows,) how many each takes.

    >>> chained(torch.tensor([3, 1]), torch.tensor([-1, 0, -1, 2]))
    (tensor([3, 2, 1, 0]), tensor([2, 2]))
    """
    rows = torch.arange(len(first))
    if not len(after):
        return first, torch.ones_like(rows)
    blocks, owners, front, owner = [first], [rows], first, rows
    while len(front):
        front = after[front]
        goes_on = front != END
        front, owner = front[goes_on], owner[goes_on]
        blocks.append(front)
        owners.append(owner)
    owned = torch.cat(owners)
    return torch.cat(blocks)[owned.argsort(stable=True)], torch.bincount(owned, minlength=len(first))


def checksums(content: Tensor, taken: Tensor) -> list[int]:
    """The CRC-32 of each row.

    Args:
        content: (blocks, size) uint8, row after row.
        taken: (rows,) how many blocks each takes.
    """
    data = content.numpy()
    return [crc32(data[start:end]) for start, end in pairwise([0, *taken.cumsum(0).tolist()])]


def check_chains(first: Tensor, after: Tensor) -> None:
    """Refuse rows that share a block, or do not end.

    Args:
        first: (rows,) different blocks.
        after: (blocks,) the next of each, a block or `END`.

    Raises:
        InputError: they do.
    """
    taken = torch.zeros(len(after), dtype=torch.bool)
    front = first if len(after) else first[:0]
    while len(front):
        if taken[front].any() or len(front.unique()) < len(front):
            raise InputError("it tells of two rows in one place")
        taken[front] = True
        front = after[front]
        front = front[front != END]
