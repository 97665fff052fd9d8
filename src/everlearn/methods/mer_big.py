"""Meta-Experience Replay with one big batch."""

from dataclasses import dataclass

import torch
from torch import Tensor

from everlearn.batches import rows
from everlearn.methods.reptile import meta_update
from everlearn.ranges import at_least, positive
from everlearn.types import Batch, Learning


@dataclass(frozen=True)
class MERBig:
    """Meta-Experience Replay with one big batch: one Reptile step over all single-row steps.

    Riemer et al. 2019, Algorithm 6. Each new row makes one batch of s·(k − 1) rows from
    memory and then s copies of the new row; after a sequential step on each, the weights
    go back but for gamma of the way.

    While the memory holds fewer rows than that, as many as it holds are drawn.
    """

    batches: int = 1
    """How many batches' worth of rows the big batch holds (the paper's s)."""
    replayed: int = 10
    """Rows drawn from memory for each batch's worth (the paper's k − 1)."""
    gamma: float = 0.1
    """Reptile rate: how far to go along the way that all steps together went."""

    def __post_init__(self) -> None:
        at_least(1, batches=self.batches)
        at_least(0, replayed=self.replayed)
        positive(gamma=self.gamma)

    def __call__(self, learner: Learning, batch: Batch) -> Tensor:
        learner.memory.expect(batch)
        return torch.cat([self._learn_row(learner, row) for row in rows(batch)])

    def _learn_row(self, learner: Learning, row: Batch) -> Tensor:
        with meta_update(learner, self.gamma):
            learner.descend_each(learner.memory.sample(self.batches * self.replayed))
            losses = [learner.descend_each(row) for _ in range(self.batches)]
        learner.memory.add(row)
        return losses[0]
