"""A ring for each task: the last rows of every task."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from everlearn.memory.bounded import Admission, BoundedMemory
from everlearn.memory.padding import Padding
from everlearn.memory.state import Counters
from everlearn.ranges import at_least
from everlearn.types import Batch, InputError, task_column


class Ring(BoundedMemory):
    """The last rows of each task, equally many of each.

    The memory of GEM (Lopez-Paz and Ranzato 2017, section 3): with T tasks to come, each has
    capacity / T slots from the beginning, and a row replaces the oldest one of its own task. So it
    must be told how many tasks will come, and most of it is empty until they do.

    Reads the column `task`. Space is allocated at the first `add` and constant from then.

    Args:
        capacity: rows held at most.
        tasks: how many tasks there will be.
        seed: of the draws, which are uniform and with replacement.
        path: a folder for the rows, which is gone on with; by default they are in RAM.
        saves: how many saved states one on disk can go back to.
        padding: the columns whose rows differ in length, and what they are padded with, as in
            ``padding={"tokens": 0}``: it is not kept, and rows are read padded to the longest of those drawn.
            Columns that are equally long in a batch stay equally long.

    Raises:
        InputError: there are more tasks than slots, or a task more than were said to come; a batch's
            columns differ from the first one's.

    >>> memory = Ring(10, tasks=2)
    >>> memory.add({"x": torch.arange(100.0), "task": torch.arange(100) // 50})
    >>> memory.rows(0)["x"]
    tensor([45., 46., 47., 48., 49.])
    """

    def __init__(
        self,
        capacity: int,
        tasks: int,
        *,
        seed: int = 0,
        path: str | Path | None = None,
        saves: int = 2,
        padding: Padding | None = None,
    ) -> None:
        at_least(1, tasks=tasks, capacity=capacity)
        if capacity < tasks:
            raise InputError(f"a ring needs at least one slot for each task: {capacity} slots, {tasks} tasks")
        self._last = LastRowsOfTasks(capacity, tasks)
        super().__init__(self._last, seed=seed, path=path, saves=saves, padding=padding)

    def tasks(self) -> list[int]:
        """The tasks of which there are rows, in the order in which they first came."""
        return [task for task, came in self._last.came(self._counters).items() if came]

    def rows(self, task: int) -> Batch:
        """The rows of one of them, the oldest first.

        Raises:
            InputError: there are none.
        """
        if task not in self.tasks():
            raise InputError(f"the ring holds nothing of task {task}")
        return self._rows.read(self._last.slots_of_task(self._counters, task))


@dataclass(frozen=True)
class LastRowsOfTasks:
    """Counters: `seen` rows, and those of each `task N` since there were deletions, in the order in which they came."""

    capacity: int
    tasks: int

    name = "ring"

    @property
    def room(self) -> int:
        """Slots of each task."""
        return self.capacity // self.tasks

    @property
    def slots(self) -> int:
        """Equally many for each task."""
        return self.room * self.tasks

    def came(self, counters: Counters) -> dict[int, int]:
        """How many rows of each task."""
        tasks = (name for name in counters if name.startswith("task "))
        return {int(name.removeprefix("task ")): int(counters[name]) for name in tasks}

    def expect(self, counters: Counters, batch: Batch) -> None:
        """Rows of as many tasks as were said to come."""
        known = self.came(counters)
        new = [task for task in task_column(batch, "Ring").unique().tolist() if task not in known]
        if len(known) + len(new) > self.tasks:
            raise InputError(f"the ring was made for {self.tasks} tasks; task {new[-1]} would be one more")

    def admit(self, counters: Counters, marks: Tensor, batch: Batch, chance: torch.Generator) -> Admission:
        """One slot of its task after another, and then the first again."""
        came, slots = self.came(counters), []
        for task in batch["task"].tolist():
            number = came.setdefault(task, 0)
            slots.append(list(came).index(task) * self.room + number % self.room)
            came[task] = number + 1
        return Admission(slots, _counted(counters, came, len(slots)))

    def length(self, counters: Counters) -> int:
        """Of all tasks."""
        return sum(min(came, self.room) for came in self.came(counters).values())

    def slots_of(self, counters: Counters, rows: Tensor) -> Tensor:
        """Task after task."""
        tasks = [self.slots_of_task(counters, task) for task in self.came(counters)]
        return torch.cat(tasks)[rows] if tasks else rows

    def slots_of_task(self, counters: Counters, task: int) -> Tensor:
        """The oldest row's first."""
        came = self.came(counters)
        first = list(came).index(task) * self.room
        return first + torch.arange(max(0, came[task] - self.room), came[task]) % self.room

    def settle(self, counters: Counters, marks: Tensor, kept: Tensor) -> tuple[Tensor, Counters]:
        """From each task's first slot on."""
        known = self.came(counters)
        left = torch.bincount(kept // self.room, minlength=len(known)).tolist()
        slots = [place * self.room + torch.arange(n) for place, n in enumerate(left)]
        return torch.cat(slots), _counted(counters, dict(zip(known, left, strict=True)))


def _counted(counters: Counters, came: dict[int, int], new: int = 0) -> Counters:
    return {"seen": counters.get("seen", 0) + new} | {f"task {task}": number for task, number in came.items()}
