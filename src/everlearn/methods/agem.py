"""Averaged gradient episodic memory."""

from dataclasses import dataclass

from torch import Tensor

from everlearn.methods.gem import project
from everlearn.ranges import at_least
from everlearn.types import Batch, Learning


@dataclass(frozen=True)
class AGEM:
    """Averaged GEM: no step that would raise the loss on a few rows drawn from memory.

    Chaudhry et al. 2019, Algorithm 2: where the new rows' gradient g has a negative dot product with
    the gradient r of the drawn rows, the step follows g − (g·r / r·r) r (equation 11). Costs one
    further gradient a step, whatever the memory holds. Needs no task: new rows enter the memory at
    once, not at a task's end, so that those drawn are of the current task too; with a `Reservoir` they
    are of all that came, with a `Ring` the last ones of each task.
    """

    drawn: int = 256
    """Rows drawn from memory for each step."""

    def __post_init__(self) -> None:
        at_least(1, drawn=self.drawn)

    def __call__(self, learner: Learning, batch: Batch) -> Tensor:
        learner.memory.expect(batch)
        losses, gradient = learner.gradient(batch)
        if old := learner.memory.sample(self.drawn):
            gradient = project(gradient, learner.gradients([old]), strength=0.0)
        learner.apply(gradient)
        learner.memory.add(batch)
        return losses
