"""MER over mini-batches: replay, and a Reptile step once in a while."""

from dataclasses import dataclass

from torch import Tensor

from everlearn.batches import count, join
from everlearn.ranges import at_least, positive
from everlearn.types import Batch, Learning


@dataclass(frozen=True)
class MERBatches:
    """Replay in mini-batches, and a Reptile step over every few of them.

    The form of MER for large batches and any optimizer, of Abbes et al. 2026 (PMLR 330, 465-486): each
    step is one of experience replay, on new rows joined with rows from memory; after every `steps` steps
    θ ← θ₀ + gamma · (θ − θ₀), where θ₀ is where they began. So gradients of successive batches learn to
    agree, to first order, where in `MER` those of single rows do; and a batch costs one step, not one for
    each of its rows.

    At least two steps: a Reptile step after each step would only be a smaller learning rate. The Reptile steps move the
    parameters, not the optimizer's state. (Their settings for language models are `steps=500` and `gamma=0.1`.)
    """

    replayed: int = 10
    """Rows drawn from memory for each batch."""
    steps: int = 10
    """Batches from one Reptile step to the next (their k)."""
    gamma: float = 0.5
    """How far to go along the way that those steps went (their ε; 1: plain experience replay)."""

    def __post_init__(self) -> None:
        at_least(0, replayed=self.replayed)
        at_least(2, steps=self.steps)
        positive(gamma=self.gamma)

    def __call__(self, learner: Learning, batch: Batch) -> Tensor:
        learner.memory.expect(batch)
        done = learner.state.get("steps", 0)
        if done == 0:
            learner.state["start"] = learner.snapshot()
        losses = learner.descend(join(batch, learner.memory.sample(self.replayed)))
        learner.memory.add(batch)
        learner.state["steps"] = (done + 1) % self.steps
        if learner.state["steps"] == 0:
            learner.move_from(learner.state["start"], self.gamma)
        return losses[: count(batch)]
