"""A network for each task: no forgetting, and nothing shared."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from everlearn.models.by_task import ByTask
from everlearn.types import Batch, InputError, Learning, column


@dataclass(frozen=True)
class Independent:
    """A network of its own for each task, which begins as a copy of the one before.

    The row "Independent" of Riemer et al. 2019, Table 1 (their code's `independent` with its
    default `finetune`). One optimizer step on each batch. Needs to be told the task, when
    learning and when predicting.

    The model is a `ByTask` of equal networks, called as `model(x, task)`; a task is the number
    of its network. In the paper each has as many hidden units as all of them share of 100.
    """

    start: Literal["previous", "own"] = "previous"
    """Whether a network begins as a copy of the previous task's, or as it was made."""

    def __post_init__(self) -> None:
        if self.start not in ("previous", "own"):
            raise InputError(f"start must be 'previous' or 'own', not {self.start!r}")

    def __call__(self, learner: Learning, batch: Batch) -> Tensor:
        tasks = column(batch, "task", "Independent").unique_consecutive().tolist()
        if not isinstance(learner.model, ByTask):
            raise InputError("Independent needs a model that is a ByTask of one network for each task")
        if self.start == "previous":
            for task in tasks:
                self._begin(learner, learner.model, task)
        return learner.descend(batch)

    def _begin(self, learner: Learning, model: ByTask, task: int) -> None:
        """At the first rows of a task its network becomes a copy of the last one that learned."""
        begun = learner.state.setdefault("begun", [])
        if task in begun or not 0 <= task < len(model.parts):
            return
        if begun:
            with torch.no_grad():
                for own, before in zip(
                    model.parts[task].parameters(), model.parts[begun[-1]].parameters(), strict=True
                ):
                    own.copy_(before)
        begun.append(task)
