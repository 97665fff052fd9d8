"""How much the gradients of tasks agree with each other."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from everlearn.alignment.gradients import gradients
from everlearn.batches import as_batch
from everlearn.learner import Learner
from everlearn.types import task_column


@dataclass(frozen=True)
class TaskMatrix:
    """How much each task's gradients agree with each other's."""

    tasks: list[int]
    dot: Tensor
    """(tasks, tasks) mean dot product over pairs of different rows."""
    cosine: Tensor
    """(tasks, tasks) mean cosine, likewise."""


def task_matrix(learner: Learner, batch: Any) -> TaskMatrix:
    """The mean dot product and cosine between the rows of each two tasks, and within each.

    Args:
        learner: whose model, loss and forward are taken; it stays as it is.
        batch: rows of several tasks with a column `task`; a row is not held against itself. A task of a
            single row has NaN on the diagonal.
    """
    batch = as_batch(batch)
    own = gradients(learner, batch)
    pairs = own.products(own)
    tasks, group = task_column(batch, "task_matrix").unique(return_inverse=True)
    member = one_hot(group).to(pairs.dot())
    counts = member.sum(0)[:, None] * member.sum(0) - torch.diag(member.sum(0))

    def means(values: Tensor) -> Tensor:
        return member.T @ (values - torch.diag(values.diagonal())) @ member / counts

    return TaskMatrix(tasks.tolist(), means(pairs.dot()), means(pairs.cosine()))
