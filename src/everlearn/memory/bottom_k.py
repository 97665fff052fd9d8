"""Bottom-k sampling by hashed identities: a uniform sample that any number of processes can make together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from everlearn.batches import count
from everlearn.memory import keyed
from everlearn.memory.bounded import Admission, BoundedMemory
from everlearn.memory.padding import Padding
from everlearn.memory.state import Counters, named
from everlearn.ranges import at_least
from everlearn.types import INTEGERS, Batch, InputError, column


class Sample(Protocol):
    """What can be merged: a `BottomK`, or a `Reader` of one."""

    @property
    def rule(self) -> Mapping[str, Any]: ...

    @property
    def counters(self) -> Mapping[str, float]: ...

    def held(self, chosen: Callable[[Tensor], Tensor] | None = None) -> Batch: ...


class BottomK(BoundedMemory):
    """A uniform sample of all rows that came, told apart by an identity (Cohen and Kaplan 2007; Cohen 2015).

    A row's key is a hash of its identity, and those with the largest keys are held (by symmetry, the bottom k). So
    which rows are held goes by nothing but the identities that came: not by their order, nor by chance. A row that
    comes twice is held once, whatever came in between, so that a stream may go on from before a crash; and to `merge`
    memories of several processes, each of its own stream, makes the very one that a single process would have had.

    What is held is always all rows with keys above some bound, but for those deleted; that is what merging goes by.
    Where rows are deleted, new ones enter the free slots only with keys above it. Where none remain it begins anew.

    Args:
        capacity: rows held at most.
        key: the column of identities, one integer a row, the same whenever it comes.
        salt: of the hash; memories with another one hold other rows, and can't be merged.
        seed: of the draws, which are uniform and with replacement; one for each process.
        path: a folder for the rows, which is gone on with; by default they are in RAM.
        saves: how many saved states one on disk can go back to.
        padding: the columns whose rows differ in length, and what they are padded with, as in
            ``padding={"tokens": 0}``: it is not kept, and rows are read padded to the longest of those drawn.
            Columns that are equally long in a batch stay equally long.

    Raises:
        InputError: the capacity is below 1; an identity is no integer; a batch's columns differ from the first
            one's; the folder holds another memory, or another process writes there.

    >>> whole, even, odd = (BottomK(10) for _ in range(3))
    >>> rows = torch.arange(1000)
    >>> whole.add({"id": rows})
    >>> even.add({"id": rows[::2]})
    >>> odd.add({"id": rows[1::2]})
    >>> even.merge(odd)
    >>> sorted(even.held()["id"].tolist()) == sorted(whole.held()["id"].tolist())
    True
    """

    def __init__(
        self,
        capacity: int,
        *,
        key: str = "id",
        salt: int = 0,
        seed: int = 0,
        path: str | Path | None = None,
        saves: int = 2,
        padding: Padding | None = None,
    ) -> None:
        at_least(1, capacity=capacity)
        at_least(0, salt=salt)
        if salt >= 2**63:
            raise InputError(f"salt must be below 2⁶³, not {salt}")
        super().__init__(Hashed(capacity, key, salt), seed=seed, path=path, saves=saves, padding=padding)

    def merge(self, other: Sample, *, part: int = 0, parts: int = 1) -> None:
        """Take in another memory: hold what is largest of both, and nothing of which either has let go smaller ones.

        With `parts`, take in only the rows that fall to one part, by the lower digits of their keys: so what some
        processes held is dealt out to any other number of them, each of which merges with all that there were, and
        reads no more of them than that. Give it again after a crash.

        `seen` grows by the part's share of the rows that came to the other, so that over all parts it adds up; where it
        is given again, it counts them again.

        Args:
            other: a `BottomK` with the same key and salt, of any capacity, or a `Reader` of one.
            part: which, from 0.
            parts: how many processes there will be.

        Raises:
            InputError: the other is a memory of another kind, or of other columns.
        """
        at_least(1, parts=parts)
        at_least(0, part=part)
        if part >= parts:
            raise InputError(f"part must be from 0 to {parts - 1}, not {part}")
        mine, theirs = ({**rule, "capacity": 0} for rule in (self.rule, other.rule))
        if mine != theirs:
            raise InputError(f"{named(other.rule)} can't be merged with {named(self.rule)}")
        bound = max(one.counters.get("above", -inf) for one in (self, other))
        rows = other.held(lambda keys: (keys > bound) & (_digits(keys) % parts == part))
        if count(rows):
            self.expect(rows)
        seen = self.seen + len(range(part, int(other.counters.get("seen", 0)), parts))
        self._raise(bound)
        self.add(rows)
        self._counters = self._counters | {"seen": seen}
        self._rows.count(self._counters)

    def _raise(self, bound: float) -> None:
        """Let go of what a bound is not below."""
        held = self._slots()
        kept = held[self._rows.marks[held] > bound]
        counters = self._counters | {"above": bound, "held": len(kept)}
        if len(kept) < len(held):
            self._rows.settle(kept, torch.arange(len(kept)), counters, None)
        self._counters = counters


_KEYS = 2**52
IDENTITIES = INTEGERS | {torch.uint16, torch.uint32}


def _digits(keys: Tensor) -> Tensor:
    """The keys as integers, whose lower digits have nothing to do with which are the largest."""
    return (keys * _KEYS).long()


@dataclass(frozen=True)
class Hashed:
    """The keys are hashes from −1 to 1; counters and marks are those of `keyed`."""

    capacity: int
    key: str
    salt: int

    name = "bottom-k"

    @property
    def slots(self) -> int:
        """As many as rows."""
        return self.capacity

    def expect(self, counters: Counters, batch: Batch) -> None:
        """Rows with identities."""
        found = column(batch, self.key, "BottomK")
        if found.ndim != 1 or found.dtype not in IDENTITIES:
            raise InputError(f"BottomK needs one integer a row in column {self.key!r}, which tells it from all others")

    def admit(self, counters: Counters, marks: Tensor, batch: Batch, chance: torch.Generator) -> Admission:
        """By nothing but the identities."""
        # The upper 53 bits: each a number of its own in float64.
        keys = (hashed(batch[self.key].cpu(), self.salt) >> 11).double() / _KEYS
        return keyed.admit(self.capacity, counters, marks, keys.tolist(), may_repeat=True)

    def length(self, counters: Counters) -> int:
        """A counter."""
        return keyed.length(counters)

    def slots_of(self, counters: Counters, rows: Tensor) -> Tensor:
        """The first ones, in any order."""
        return rows

    def settle(self, counters: Counters, marks: Tensor, kept: Tensor) -> tuple[Tensor, Counters]:
        """Side by side."""
        return keyed.settle(counters, kept)


def hashed(identities: Tensor, salt: int) -> Tensor:
    """(rows,) int64, all of whose bits go by all bits of the identity and of the salt.

    SplitMix64 (Steele, Lea and Flood 2014): the number of an identity in the sequence that begins at the salt's own.

    >>> hashed(torch.tensor([0, 1]), 0).tolist() == hashed(torch.tensor([0, 1]), 1).tolist()
    False
    """
    begin = _mixed(torch.tensor(salt) * _GAMMA)
    return _mixed(begin + (identities.long() + 1) * _GAMMA)


_GAMMA, _FIRST, _SECOND = (value - 2**64 for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def _mixed(bits: Tensor) -> Tensor:
    bits = (bits ^ _right(bits, 30)) * _FIRST
    bits = (bits ^ _right(bits, 27)) * _SECOND
    return bits ^ _right(bits, 31)


def _right(bits: Tensor, by: int) -> Tensor:
    """Shifted as what has no sign."""
    return (bits >> by) & ((1 << (64 - by)) - 1)
