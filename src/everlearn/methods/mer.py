"""Meta-Experience Replay."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from everlearn.batches import rows
from everlearn.methods.reptile import meta_update
from everlearn.ranges import at_least, one_of, positive
from everlearn.types import Batch, Learning


@dataclass(frozen=True)
class MER:
    """Meta-Experience Replay: single-row steps on new and old, joined by Reptile at two levels.

    Riemer et al. 2019, Algorithm 1. Each new row makes s·k sequential steps: s batches of
    the new row, first, and k − 1 rows from memory. What a batch does to the weights is
    shrunk by beta, what all s batches did by gamma; to first order this raises the dot
    products between the gradients of the rows (their equation 7).

    While the memory is empty the s batches are the new row alone; while it holds fewer
    than k − 1 rows, that many are drawn. With momentum or Adam the s·k steps go through
    the optimizer's state, which the Reptile steps do not move back.
    """

    batches: int = 5
    """Batches for each new row (the paper's s)."""
    replayed: int = 10
    """Rows drawn from memory for each batch (the paper's k − 1)."""
    beta: float = 0.01
    """Reptile rate within a batch: how far to go along the way that its steps went."""
    gamma: float = 1.0
    """Reptile rate across the batches; the paper's supervised runs all keep it at 1."""
    add: Literal["after", "before"] = "after"
    """When the new row enters the memory: after learning, or before (their Algorithm 8)."""

    def __post_init__(self) -> None:
        at_least(1, batches=self.batches)
        at_least(0, replayed=self.replayed)
        positive(beta=self.beta, gamma=self.gamma)
        one_of(("after", "before"), add=self.add)

    def __call__(self, learner: Learning, batch: Batch) -> Tensor:
        learner.memory.expect(batch)
        return torch.cat([self._learn_row(learner, row) for row in rows(batch)])

    def _learn_row(self, learner: Learning, row: Batch) -> Tensor:
        with meta_update(learner, self.gamma):
            losses = [self._learn_batch(learner, row, is_first=i == 0) for i in range(self.batches)]
        if self.add == "after":
            learner.memory.add(row)
        return losses[0]

    def _learn_batch(self, learner: Learning, row: Batch, is_first: bool) -> Tensor:
        with meta_update(learner, self.beta):
            loss = learner.descend_each(row)
            # Before the first draw, but only once the loss has not refused the row.
            if is_first and self.add == "before":
                learner.memory.add(row)
            learner.descend_each(learner.memory.sample(self.replayed))
        return loss
