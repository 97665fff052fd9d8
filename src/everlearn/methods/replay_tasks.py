"""Experience replay that weighs tasks, not rows, alike."""

from dataclasses import dataclass

import torch
from torch import Tensor

from everlearn.batches import count, join
from everlearn.ranges import at_least
from everlearn.types import Batch, Learning, task_column


@dataclass(frozen=True)
class TaskER:
    """Experience replay with tasks: one step on the sum over tasks of each task's mean loss.

    Riemer et al. 2019, Algorithm 5. Reads the column `task` of the new rows and of those in
    memory. The loss grows with the number of tasks in the batch, so it wants a smaller
    learning rate than `ER`.
    """

    replayed: int = 10
    """Rows drawn from memory for each batch (the paper's k − 1)."""

    def __post_init__(self) -> None:
        at_least(0, replayed=self.replayed)

    def __call__(self, learner: Learning, batch: Batch) -> Tensor:
        task_column(batch, "TaskER")
        learner.memory.expect(batch)
        old = learner.memory.sample(self.replayed)
        joined = join(batch, old)
        _, group, sizes = torch.unique(joined["task"], return_inverse=True, return_counts=True)
        # `descend` divides by all rows; each row is to be divided by those of its task.
        losses = learner.descend(joined, weight=len(group) / sizes[group].double())
        learner.memory.add(batch)
        return losses[: count(batch)]
