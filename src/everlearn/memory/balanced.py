"""A memory that holds equally many rows of each class, or task."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from everlearn.memory.bounded import PASSED, Admission, BoundedMemory
from everlearn.memory.padding import Padding
from everlearn.memory.state import Counters
from everlearn.ranges import at_least
from everlearn.types import INTEGERS, Batch, InputError, column


class Balanced(BoundedMemory):
    """Class-balancing reservoir sampling (CBRS; Chrysakis and Moens 2020, Algorithm 1).

    A row takes the place of one of the class that holds most. A class that has been that one is full: a
    row of it takes the place of another of its own, with the probability that makes those held a uniform
    sample of all that came of the class. So rare classes are held whole, and no class need be known beforehand.

    Where rows are deleted, those that remain stand for as large a part of their class as before, and
    new rows of it enter the free slots with that probability; a class of which none remain begins anew.

    Args:
        capacity: rows held at most.
        by: the column of classes, one integer a row; `task` balances tasks.
        seed: of the admissions and the draws, which are uniform and with replacement.
        path: a folder for the rows, which is gone on with; by default they are in RAM.
        saves: how many saved states one on disk can go back to.
        padding: the columns whose rows differ in length, and what they are padded with, as in
            ``padding={"tokens": 0}``: it is not kept, and rows are read padded to the longest of those drawn.
            Columns that are equally long in a batch stay equally long.

    Raises:
        InputError: the capacity is below 1; a batch's columns differ from the first one's; the folder holds
            another memory, or another process writes there.

    >>> memory = Balanced(10)
    >>> memory.add({"x": torch.arange(100.0), "y": (torch.arange(100) % 20 == 0).long()})
    >>> memory.held()["y"].bincount()
    tensor([5, 5])
    """

    def __init__(
        self,
        capacity: int,
        *,
        by: str = "y",
        seed: int = 0,
        path: str | Path | None = None,
        saves: int = 2,
        padding: Padding | None = None,
    ) -> None:
        at_least(1, capacity=capacity)
        super().__init__(CBRS(capacity, by), seed=seed, path=path, saves=saves, padding=padding)


@dataclass(frozen=True)
class CBRS:
    """Counters: `seen` rows; of each class C, rows `held C`, as a sample `of C` so many; whether it is `full C`.

    A row's mark is its class.
    """

    capacity: int
    by: str

    name = "balanced"

    @property
    def slots(self) -> int:
        """As many as rows."""
        return self.capacity

    def expect(self, counters: Counters, batch: Batch) -> None:
        """Rows with a class."""
        classes = column(batch, self.by, "Balanced")
        if classes.ndim != 1 or classes.dtype not in INTEGERS:
            raise InputError(f"Balanced needs one integer a row in column {self.by!r}, not {classes.dtype}")

    def admit(self, counters: Counters, marks: Tensor, batch: Batch, chance: torch.Generator) -> Admission:
        """Algorithm 1, row after row."""
        classes = batch[self.by].tolist()
        counters, marks = dict(counters), marks.clone() if len(classes) > 1 else marks
        held, slots = _held(counters), []
        for label in classes:
            slots.append(self._slot(counters, held, marks, label, chance))
            if len(classes) > 1 and slots[-1] != PASSED:
                marks[slots[-1]] = label
        counters["seen"] = counters.get("seen", 0) + len(classes)
        counters |= {f"held {label}": rows for label, rows in held.items()}
        return Admission(slots, counters, [float(label) for label in classes])

    def _slot(
        self, counters: Counters, held: dict[int, int], marks: Tensor, label: int, chance: torch.Generator
    ) -> int:
        all_rows, mine, before = sum(held.values()), held.setdefault(label, 0), counters.get(f"of {label}", 0)
        counters[f"of {label}"] = before + 1
        draw = float(torch.rand((), dtype=torch.float64, generator=chance))
        if all_rows < self.capacity:
            # Free at the beginning, when all of each class is held, or after a deletion.
            enters = draw * before <= mine
            held[label] += enters
            return all_rows if enters else PASSED
        # Of several largest ones its own, which is full then.
        most = max(held.values())
        largest = label if mine == most else next(one for one, rows in held.items() if rows == most)
        counters[f"full {largest}"] = 1
        if f"full {label}" not in counters:
            held[largest] -= 1
            held[label] += 1
            return _any(marks, largest, chance)
        return _any(marks, label, chance) if mine and draw * (before + 1) < mine else PASSED

    def length(self, counters: Counters) -> int:
        """Of all classes."""
        return sum(_held(counters).values())

    def slots_of(self, counters: Counters, rows: Tensor) -> Tensor:
        """The first ones, in any order."""
        return rows

    def settle(self, counters: Counters, marks: Tensor, kept: Tensor) -> tuple[Tensor, Counters]:
        """Side by side."""
        counters, left = dict(counters), marks[kept]
        for label, before in _held(counters).items():
            now = int((left == label).sum())
            counters[f"of {label}"] *= now / before if before else 1
            counters[f"held {label}"] = now
            if now == 0:
                counters.pop(f"full {label}", None)
        return torch.arange(len(kept)), counters


def _held(counters: Counters) -> dict[int, int]:
    """How many rows of each class, in the order in which they first came."""
    return {int(name[5:]): int(rows) for name, rows in counters.items() if name.startswith("held ")}


def _any(marks: Tensor, label: int, chance: torch.Generator) -> int:
    """The slot of one row of a class."""
    slots = (marks == label).nonzero()[:, 0]
    return int(slots[torch.randint(len(slots), (), generator=chance)])
