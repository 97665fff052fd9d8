"""Reservoir sampling: a bounded memory that is always a uniform sample of all that came."""

from typing import Any

import torch
from torch import Tensor

from everlearn.batches import count, take
from everlearn.chance import generator
from everlearn.memory.columns import Columns, at_most, check_rule
from everlearn.types import Batch, InputError


class Reservoir:
    """Vitter's Algorithm R (1985), as in Riemer et al. 2019, Algorithm 3.

    Row number N (counted from 0) enters a full memory with probability
    capacity / (N + 1), in place of a row chosen at random: at any moment each row that
    ever came is held with the same probability. No task ids, no end of the stream needed.

    Space is allocated at the first `add` and constant from then, in RAM, wherever the
    model is.

    Args:
        capacity: rows held at most.
        replace: draw with replacement, as the paper's own code does; False draws
            distinct rows.
        seed: of the admissions and the draws.

    Raises:
        InputError: the capacity is below 1; a batch's columns differ from the first one's.

    >>> memory = Reservoir(100)
    >>> memory.add({"x": torch.arange(1000.0)})
    >>> len(memory), memory.seen, memory.sample(5)["x"].shape
    (100, 1000, torch.Size([5]))
    """

    def __init__(self, capacity: int, *, replace: bool = True, seed: int = 0) -> None:
        self._columns = Columns(capacity)
        self._generator = generator(seed, "reservoir")
        self.replace = replace
        self.seen = 0

    @property
    def capacity(self) -> int:
        """Rows held at most."""
        return self._columns.capacity

    def __len__(self) -> int:
        return min(self.seen, self.capacity)

    def expect(self, batch: Batch) -> None:
        """Refuse rows that are not like the first ones, before anything is learned from them."""
        self._columns.expect(batch)

    def add(self, batch: Batch) -> None:
        """Offer rows, in order; each is kept or passed over by the rule above."""
        self._columns.expect(batch)
        slots = self._admit(count(batch))
        # Where two of these rows fall into one slot, the later stays.
        last = {slot: row for row, slot in enumerate(slots) if slot < self.capacity}
        if last:
            admitted = batch if len(last) == len(slots) else take(batch, torch.tensor(list(last.values())))
            self._columns.write(torch.tensor(list(last)), admitted)

    def _admit(self, n: int) -> list[int]:
        """The slots of the next n rows; one past the capacity means: not admitted."""
        first, self.seen = self.seen, self.seen + n
        filling = range(first, max(first, min(self.seen, self.capacity)))
        full = first + len(filling)
        draws = torch.rand(self.seen - full, dtype=torch.float64, generator=self._generator).tolist()
        return [*filling, *(int(draw * (number + 1)) for number, draw in enumerate(draws, full))]

    def sample(self, n: int) -> Batch:
        """Draw min(n, len) rows uniformly; without columns while the memory is empty.

        Raises:
            InputError: n is negative.
        """
        n = at_most(n, len(self))
        if n == 0:
            return {}
        if self.replace:
            return self._columns.read(torch.randint(len(self), (n,), generator=self._generator))
        return self._columns.read(_distinct(n, len(self), self._generator))

    def held(self) -> Batch:
        """All rows: views, to be read only; without columns while the memory is empty."""
        return self._columns.first(len(self))

    def state_dict(self) -> dict[str, Any]:
        """The rows, the count of rows seen and the generator's state."""
        return {
            "rule": "reservoir",
            "capacity": self.capacity,
            "seen": self.seen,
            "columns": self._columns.state_dict(len(self)),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become the reservoir that `state` was taken from.

        Raises:
            InputError: that one had another capacity or rule.
        """
        check_rule(state, "reservoir")
        if state["capacity"] != self.capacity:
            raise InputError(f"the saved memory has capacity {state['capacity']}, this one {self.capacity}")
        self.seen = state["seen"]
        self._columns.load_state_dict(state["columns"])
        self._generator.set_state(state["generator"])


def _below(bounds: Tensor, chance: torch.Generator) -> Tensor:
    """For each bound b, one integer from 0 to b − 1, uniformly."""
    return (torch.rand(len(bounds), dtype=torch.float64, generator=chance) * bounds).long()


def _distinct(n: int, total: int, chance: torch.Generator) -> Tensor:
    """n different integers below `total` in random order, in O(n) (Floyd's algorithm, Bentley 1987)."""
    chosen: dict[int, None] = {}
    bounds = torch.arange(total - n, total)
    for bound, draw in zip(bounds.tolist(), _below(bounds + 1, chance).tolist(), strict=True):
        chosen[bound if draw in chosen else draw] = None
    return torch.tensor(list(chosen))[torch.randperm(n, generator=chance)]
