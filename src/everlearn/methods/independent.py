"""A network for each task: no forgetting, and nothing shared."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from everlearn.models.by_task import ByTask
from everlearn.ranges import one_of
from everlearn.types import Batch, InputError, Learning, task_column


@dataclass(frozen=True)
class Independent:
    """A network of its own for each task, which begins as a copy of the one that learned last.

    The row "Independent" of Riemer et al. 2019, Table 1 (their code's `independent` with its
    default `finetune`). One optimizer step on each batch. Needs to be told the task, when
    learning and when predicting.

    The model is a `ByTask` of equal networks, called as `model(x, task)`; a task is the number
    of its network. In the paper each has as many hidden units as all of them share of 100.
    """

    start: Literal["previous", "own"] = "previous"
    """Whether a network begins as a copy of the one that learned last, or as it was made."""

    def __post_init__(self) -> None:
        one_of(("previous", "own"), start=self.start)

    def __call__(self, learner: Learning, batch: Batch) -> Tensor:
        tasks, model = task_column(batch, "Independent").unique_consecutive().tolist(), learner.model
        if not isinstance(model, ByTask):
            raise InputError("Independent needs a model that is a ByTask of one network for each task")
        begun = learner.state.setdefault("begun", [])
        new = [task for task in dict.fromkeys(tasks) if task not in begun and 0 <= task < len(model.parts)]
        if self.start == "previous" and begun:
            for task in new:
                _become(model.parts[task], model.parts[learner.state["last"]])
        losses = learner.descend(batch)
        learner.state["begun"], learner.state["last"] = begun + new, tasks[-1]
        return losses


def _become(network: nn.Module, other: nn.Module) -> None:
    """A network becomes a copy of another one."""
    try:
        network.load_state_dict(other.state_dict())
    except RuntimeError as error:
        raise InputError(f"Independent needs networks that are all alike: {error}") from error
