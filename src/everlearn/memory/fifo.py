"""First in, first out: a memory of the last rows."""

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


class Fifo(BoundedMemory):
    """The last rows that came, as in a DQN's replay memory (Mnih et al. 2015).

    Space is allocated at the first `add` and constant from then, in RAM, wherever the model is; or in
    a folder.

    Args:
        capacity: rows held at most.
        seed: of the draws, which are uniform and with replacement.
        path: a folder for the rows, which is gone on with; by default they are in RAM.
        saves: how many saved states one on disk can go back to.
        padding: the columns whose rows differ in length, and what they are padded with, as in
            ``padding={"tokens": 0}``: it is not kept, and rows are read padded to the longest of those drawn.
            Columns that are equally long in a batch stay equally long.

    Raises:
        InputError: the capacity is below 1; a batch's columns differ from the first one's; the folder holds
            another memory, or another process writes there.

    >>> memory = Fifo(3)
    >>> memory.add({"x": torch.arange(10.0)})
    >>> memory.held()["x"]
    tensor([7., 8., 9.])
    """

    def __init__(
        self,
        capacity: int,
        *,
        seed: int = 0,
        path: str | Path | None = None,
        saves: int = 2,
        padding: Padding | None = None,
    ) -> None:
        at_least(1, capacity=capacity)
        super().__init__(LastRows(capacity), seed=seed, path=path, saves=saves, padding=padding)


@dataclass(frozen=True)
class LastRows:
    """Counters: `seen` rows, `held` of them now; the `next` slot."""

    capacity: int

    name = "fifo"

    @property
    def slots(self) -> int:
        """As many as rows."""
        return self.capacity

    def expect(self, counters: Counters, batch: Batch) -> None:
        """Any rows."""

    def admit(self, counters: Counters, marks: Tensor, batch: Batch, chance: torch.Generator) -> Admission:
        """One slot after another, and then the first again."""
        n, first = count(batch), int(counters.get("next", 0))
        slots = [(first + row) % self.capacity if row >= n - self.capacity else PASSED for row in range(n)]
        held = min(self.length(counters) + n, self.capacity)
        after = {"seen": counters.get("seen", 0) + n, "held": held, "next": (first + n) % self.capacity}
        return Admission(slots, after)

    def length(self, counters: Counters) -> int:
        """A counter."""
        return int(counters.get("held", 0))

    def slots_of(self, counters: Counters, rows: Tensor) -> Tensor:
        """Up to the next one, which is the oldest row's where there is no more room."""
        return (counters.get("next", 0) - self.length(counters) + rows) % self.capacity

    def settle(self, counters: Counters, marks: Tensor, kept: Tensor) -> tuple[Tensor, Counters]:
        """From the first slot on."""
        return torch.arange(len(kept)), counters | {"held": len(kept), "next": len(kept) % self.capacity}
