"""First in, first out: a memory of the last rows."""

from typing import Any

import torch

from everlearn.batches import count, take
from everlearn.chance import generator
from everlearn.memory.columns import Columns, at_most, check_rule
from everlearn.types import Batch, InputError


class Fifo:
    """The last rows that came, as in a DQN's replay memory (Mnih et al. 2015).

    Space is allocated at the first `add` and constant from then, in RAM, wherever the model is.

    Args:
        capacity: rows held at most.
        seed: of the draws, which are uniform and with replacement.

    Raises:
        InputError: the capacity is below 1; a batch's columns differ from the first one's.

    >>> memory = Fifo(3)
    >>> memory.add({"x": torch.arange(10.0)})
    >>> memory.held()["x"]
    tensor([7., 8., 9.])
    """

    def __init__(self, capacity: int, *, seed: int = 0) -> None:
        self._columns = Columns(capacity)
        self._generator = generator(seed, "fifo")
        self.seen = 0

    @property
    def capacity(self) -> int:
        """Rows held at most."""
        return self._columns.capacity

    def __len__(self) -> int:
        return min(self.seen, self.capacity)

    def expect(self, batch: Batch) -> None:
        """Refuse rows that are not like the first ones."""
        self._columns.expect(batch)

    def add(self, batch: Batch) -> None:
        """Keep rows, in order, each in place of the oldest one where there is no more room."""
        self.expect(batch)
        new = torch.arange(max(0, count(batch) - self.capacity), count(batch))
        if len(new):
            self._columns.write((self.seen + new) % self.capacity, take(batch, new))
        self.seen += count(batch)

    def sample(self, n: int) -> Batch:
        """Draw min(n, len) rows uniformly; without columns while the memory is empty.

        Raises:
            InputError: n is negative.
        """
        n = at_most(n, len(self))
        return self._columns.read(torch.randint(len(self), (n,), generator=self._generator)) if n else {}

    def held(self) -> Batch:
        """All rows, the oldest first; without columns while the memory is empty."""
        return self._columns.read(torch.arange(self.seen - len(self), self.seen) % self.capacity)

    def state_dict(self) -> dict[str, Any]:
        """The rows, the count of rows seen and the generator's state."""
        return {
            "rule": "fifo",
            "capacity": self.capacity,
            "seen": self.seen,
            "columns": self._columns.state_dict(len(self)),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become the memory that `state` was taken from.

        Raises:
            InputError: that one had another capacity or rule.
        """
        check_rule(state, "fifo")
        if state["capacity"] != self.capacity:
            raise InputError(f"the saved memory has capacity {state['capacity']}, this one {self.capacity}")
        self.seen = state["seen"]
        self._columns.load_state_dict(state["columns"])
        self._generator.set_state(state["generator"])
