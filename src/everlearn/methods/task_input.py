"""An input layer for each task, and the rest shared."""

from dataclasses import dataclass

from torch import Tensor

from everlearn.types import Batch, Learning, task_column


@dataclass(frozen=True)
class TaskInput:
    """Online learning of a network that has an input layer for each task.

    The row "Task Input" of Riemer et al. 2019, Table 1 (`multimodal` in Lopez-Paz and Ranzato's
    code). One optimizer step on each batch; all that is special is in the model, which is
    called as `model(x, task)`: see `everlearn.TaskInputNet`. Needs to be told the task, when learning
    and when predicting.
    """

    def __call__(self, learner: Learning, batch: Batch) -> Tensor:
        task_column(batch, "TaskInput")
        return learner.descend(batch)
