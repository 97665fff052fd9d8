"""Reservoir sampling: a bounded memory that is always a uniform sample of all that came."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from everlearn.batches import count
from everlearn.memory.bounded import PASSED, Admission, BoundedMemory
from everlearn.memory.padding import Padding
from everlearn.memory.state import Counters
from everlearn.ranges import at_least
from everlearn.types import Batch


class Reservoir(BoundedMemory):
    """Vitter's Algorithm R (1985), as in Riemer et al. 2019, Algorithm 3.

    Row number N (counted from 0) enters a full memory with probability
    capacity / (N + 1), in place of a row chosen at random: at any moment each row that
    ever came is held with the same probability. No task ids, no end of the stream needed.

    Where rows are deleted, new ones enter the free slots with the probability with which any row
    was held before, capacity / (N + 1), until the memory is full again, and N stays; so those that
    came before and after are held alike, whatever was deleted. Where none remain it begins anew.

    Where rows expire, it holds of those that remain as large a part as before. With a window that slides from the
    stream's beginning on it stays well filled (of 1,000 rows some nine tenths); of a window that is first cut out of a
    long stream it holds few rows, then and later. Make a new memory in that case, or take a `Fifo`.

    Space is allocated at the first `add` and constant from then, in RAM, wherever the
    model is; or in a folder.

    Args:
        capacity: rows held at most.
        replace: draw with replacement, as the paper's own code does; False draws
            distinct rows.
        seed: of the admissions and the draws.
        path: a folder for the rows, which is gone on with; by default they are in RAM.
        saves: how many saved states one on disk can go back to.
        padding: the columns whose rows differ in length, and what they are padded with, as in
            ``padding={"tokens": 0}``: it is not kept, and rows are read padded to the longest of those drawn.
            Columns that are equally long in a batch stay equally long.

    Raises:
        InputError: the capacity is below 1; a batch's columns differ from the first one's; the folder holds
            another memory, or another process writes there.

    >>> memory = Reservoir(100)
    >>> memory.add({"x": torch.arange(1000.0)})
    >>> len(memory), memory.seen, memory.sample(5)["x"].shape
    (100, 1000, torch.Size([5]))
    """

    def __init__(
        self,
        capacity: int,
        *,
        replace: bool = True,
        seed: int = 0,
        path: str | Path | None = None,
        saves: int = 2,
        padding: Padding | None = None,
    ) -> None:
        at_least(1, capacity=capacity)
        super().__init__(AlgorithmR(capacity), seed=seed, replace=replace, path=path, saves=saves, padding=padding)


@dataclass(frozen=True)
class AlgorithmR:
    """Counters: `seen` rows, `held` of them now, as a sample `of` so many."""

    capacity: int

    name = "reservoir"

    @property
    def slots(self) -> int:
        """As many as rows."""
        return self.capacity

    def expect(self, counters: Counters, batch: Batch) -> None:
        """Any rows."""

    def admit(self, counters: Counters, marks: Tensor, batch: Batch, chance: torch.Generator) -> Admission:
        """Algorithm R."""
        n = count(batch)
        held, of = self.length(counters), counters.get("of", 0)
        slots = list(range(held, min(held + n, self.capacity))) if of == held else []
        held, of = held + len(slots), of + len(slots)
        draws = torch.rand(n - len(slots), dtype=torch.float64, generator=chance)
        for draw in draws.tolist():
            if held < self.capacity:
                enters = draw * of < self.capacity
                slots.append(held if enters else PASSED)
                held += enters
            else:
                of += 1
                slot = int(draw * of)
                slots.append(slot if slot < self.capacity else PASSED)
        return Admission(slots, {"seen": counters.get("seen", 0) + n, "held": held, "of": of})

    def length(self, counters: Counters) -> int:
        """A counter."""
        return int(counters.get("held", 0))

    def slots_of(self, counters: Counters, rows: Tensor) -> Tensor:
        """The first ones, in any order."""
        return rows

    def settle(self, counters: Counters, marks: Tensor, kept: Tensor) -> tuple[Tensor, Counters]:
        """Side by side; where all that came was held, or none is left, what is left is all."""
        n = len(kept)
        of = n if n == 0 or counters["of"] <= self.capacity else counters["of"]
        return torch.arange(n), counters | {"held": n, "of": of}
