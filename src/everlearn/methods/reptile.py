"""Reptile alone: the meta-update without a memory."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from everlearn.batches import rows
from everlearn.ranges import at_least, positive
from everlearn.types import Batch, Learning


@contextmanager
def meta_update(learner: Learning, rate: float) -> Generator[None]:
    """The Reptile step over whatever steps are taken within: θ ← θ₀ + rate · (θ − θ₀).

    θ₀ is where they began, and where an error among them goes back to. A rate of 1 leaves θ where they
    ended, and costs nothing.
    """
    if rate == 1:
        yield
        return
    before = learner.snapshot()
    try:
        yield
    except BaseException:
        learner.move_from(before, 0)
        raise
    learner.move_from(before, rate)


@dataclass(frozen=True)
class Reptile:
    """Reptile over the stream: after every few single-row steps, go back most of the way.

    Nichol, Achiam and Schulman 2018, Algorithm 1, with the last `steps` rows of the stream
    as the task: θ ← θ₀ + gamma · (θ − θ₀), where θ₀ is where those rows began. A meta-update
    after each single step would only be a smaller learning rate.
    """

    steps: int = 10
    """Single-row steps from one meta-update to the next (k), at least 2."""
    gamma: float = 0.3
    """How far to go along the way that those steps went (1: plain online learning)."""

    def __post_init__(self) -> None:
        at_least(2, steps=self.steps)
        positive(gamma=self.gamma)

    def __call__(self, learner: Learning, batch: Batch) -> Tensor:
        return torch.cat([self._learn_row(learner, row) for row in rows(batch)])

    def _learn_row(self, learner: Learning, row: Batch) -> Tensor:
        done = learner.state.get("steps", 0)
        if done == 0:
            learner.state["start"] = learner.snapshot()
        loss = learner.descend_each(row)
        learner.state["steps"] = (done + 1) % self.steps
        if learner.state["steps"] == 0:
            learner.move_from(learner.state["start"], self.gamma)
        return loss
