"""Batches of which a part comes from memory, for a loop of one's own."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from everlearn.batches import as_batch, count, join
from everlearn.memory.bounded import BoundedMemory
from everlearn.ranges import number
from everlearn.types import Batch, InputError

LEAST = 0.0001
"""The smallest share of old rows, and of new ones."""


def mixed(batches: Iterable[Any], memory: BoundedMemory, share: float) -> Iterator[Batch]:
    """Each batch joined with rows from memory, drawn before its own are added.

    The rows of a batch are in memory once it is given out, so that what is saved after it was learned holds them. How
    many old ones a batch has is rounded such that all batches so far had less than one too few; that goes by
    `memory.seen`, so that a resumed run draws as an unbroken one. What the next batch needs is read ahead.

    Args:
        batches: of new rows, as a DataLoader gives them.
        memory: which is filled.
        share: of old rows in all (the α of Abbes et al. 2026): .25 makes 12 new rows 16. As long as the memory
            holds fewer rows than that, as many as it holds.

    Raises:
        InputError: the share is neither 0 nor from .0001 to .9999; or a batch does not fit the memory.

    >>> import torch
    >>> from everlearn.memory import Reservoir
    >>> stream = ({"x": torch.full((3,), float(n))} for n in range(4))
    >>> [len(batch["x"]) for batch in mixed(stream, Reservoir(10), 0.25)]
    [3, 4, 4, 4]
    """
    share = float(number("share", share))
    if share != 0 and not LEAST <= share <= 1 - LEAST:
        raise InputError(f"share must be 0, or from {LEAST} to {1 - LEAST}, not {share}")
    for given in batches:
        batch = as_batch(given)
        memory.expect(batch)
        n = count(batch)
        old = memory.sample(_due(memory.seen, n, share))
        memory.add(batch)
        memory.prefetch(_due(memory.seen, n, share))
        yield join(batch, old)


def _due(seen: int, new: int, share: float) -> int:
    """Old rows for so many new ones."""
    exact = Fraction(share).limit_denominator(round(1 / LEAST))
    factor = exact / (1 - exact)
    return int(factor * (seen + new)) - int(factor * seen)
