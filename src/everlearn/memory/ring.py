"""A ring for each task: the last rows of every task."""

from typing import Any

import torch
from torch import Tensor

from everlearn.batches import count, join, take
from everlearn.chance import generator
from everlearn.memory.columns import Columns, at_most, check_rule
from everlearn.types import Batch, InputError, task_column


class Ring:
    """The last rows of each task, equally many of each.

    The memory of GEM (Lopez-Paz and Ranzato 2017, section 3): with T tasks to come, each has
    capacity / T slots from the beginning, and a row replaces the oldest one of its own task. So it
    must be told how many tasks will come, and most of it is empty until they do.

    Reads the column `task`. Space is allocated at the first `add` and constant from then.

    Args:
        capacity: rows held at most.
        tasks: how many tasks there will be.
        seed: of the draws, which are uniform and with replacement.

    Raises:
        InputError: there are more tasks than slots, or a task more than were said to come; a batch's
            columns differ from the first one's.

    >>> memory = Ring(10, tasks=2)
    >>> memory.add({"x": torch.arange(100.0), "task": torch.arange(100) // 50})
    >>> memory.rows(0)["x"]
    tensor([45., 46., 47., 48., 49.])
    """

    def __init__(self, capacity: int, tasks: int, *, seed: int = 0) -> None:
        if tasks < 1 or capacity < tasks:
            raise InputError(f"a ring needs at least one slot for each task: {capacity} slots, {tasks} tasks")
        self.capacity = capacity
        self.slots = capacity // tasks
        self._most = tasks
        self._columns = Columns(self.slots * tasks)
        self._generator = generator(seed, "ring")
        self._seen: dict[int, int] = {}

    def __len__(self) -> int:
        return sum(min(seen, self.slots) for seen in self._seen.values())

    def expect(self, batch: Batch) -> None:
        """Refuse rows that are not like the first ones, or of a task too many."""
        tasks = task_column(batch, "Ring")
        self._columns.expect(batch)
        new = [task for task in tasks.unique().tolist() if task not in self._seen]
        if len(self._seen) + len(new) > self._most:
            raise InputError(f"the ring was made for {self._most} tasks; task {new[-1]} would be one more")

    def add(self, batch: Batch) -> None:
        """Keep rows, in order, each in place of the oldest one of its task where that has no more room."""
        if count(batch) == 0:
            return
        self.expect(batch)
        slots: dict[int, int] = {}
        for row, task in enumerate(batch["task"].tolist()):
            seen = self._seen.setdefault(task, 0)
            slots[self._first(task) + seen % self.slots] = row
            self._seen[task] = seen + 1
        self._columns.write(torch.tensor(list(slots)), take(batch, torch.tensor(list(slots.values()))))

    def sample(self, n: int) -> Batch:
        """Draw min(n, len) rows uniformly; without columns while the memory is empty.

        Raises:
            InputError: n is negative.
        """
        n = at_most(n, len(self))
        if n == 0:
            return {}
        used = torch.cat([self._used(task) for task in self._seen])
        return self._columns.read(used[torch.randint(len(used), (n,), generator=self._generator)])

    def tasks(self) -> list[int]:
        """The tasks of which there are rows, in the order in which they first came."""
        return list(self._seen)

    def rows(self, task: int) -> Batch:
        """The rows of one of them, the oldest first.

        Raises:
            InputError: there are none.
        """
        if task not in self._seen:
            raise InputError(f"the ring holds nothing of task {task}")
        return self._columns.read(self._used(task))

    def held(self) -> Batch:
        """All rows, task after task; without columns while the memory is empty."""
        return join(*map(self.rows, self._seen))

    def _first(self, task: int) -> int:
        return list(self._seen).index(task) * self.slots

    def _used(self, task: int) -> Tensor:
        """A task's slots, the oldest row's first."""
        seen, first = self._seen[task], self._first(task)
        return first + torch.arange(max(0, seen - self.slots), seen) % self.slots

    def state_dict(self) -> dict[str, Any]:
        """The rows, the count of rows seen of each task and the generator's state."""
        return {
            "rule": "ring",
            "capacity": self.capacity,
            "tasks": self._most,
            "seen": dict(self._seen),
            "columns": self._columns.state_dict(self._columns.capacity),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become the ring that `state` was taken from.

        Raises:
            InputError: that one had another capacity or rule.
        """
        check_rule(state, "ring")
        theirs, own = (state["capacity"], state["tasks"]), (self.capacity, self._most)
        if theirs != own:
            raise InputError(
                f"the saved ring has {theirs[0]} slots for {theirs[1]} tasks, this one {own[0]} for {own[1]}"
            )
        self._columns.load_state_dict(state["columns"])
        self._seen = dict(state["seen"])
        self._generator.set_state(state["generator"])
