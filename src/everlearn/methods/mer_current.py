"""Meta-Experience Replay with a learning rate of its own for the current example."""

from dataclasses import dataclass

import torch
from torch import Tensor

from everlearn.batches import count, join, rows, take
from everlearn.methods.reptile import meta_update
from everlearn.ranges import at_least, positive
from everlearn.types import Batch, Learning


@dataclass(frozen=True)
class MERCurrent:
    """Meta-Experience Replay with a higher learning rate for the current example.

    Riemer et al. 2019, Algorithm 7. Each new row makes one batch, itself and k − 1 rows
    from memory in random order; after a sequential step on each, the new row's with its
    loss times `boost`, the weights go back but for gamma of the way.

    Under plain SGD scaling the loss is scaling the learning rate; under Adam it is not.
    While the memory holds fewer rows than that, as many as it holds are drawn.
    """

    boost: float = 5.0
    """How many times the learning rate the new row's step takes (the paper's s)."""
    replayed: int = 50
    """Rows drawn from memory for each new row (the paper's k − 1)."""
    gamma: float = 0.03
    """Reptile rate: how far to go along the way that all steps together went."""

    def __post_init__(self) -> None:
        at_least(0, replayed=self.replayed)
        positive(boost=self.boost, gamma=self.gamma)

    def __call__(self, learner: Learning, batch: Batch) -> Tensor:
        learner.memory.expect(batch)
        return torch.cat([self._learn_row(learner, row) for row in rows(batch)])

    def _learn_row(self, learner: Learning, row: Batch) -> Tensor:
        joined = join(row, learner.memory.sample(self.replayed))
        order = torch.randperm(count(joined), generator=learner.generator)
        current = order == 0
        weight = torch.where(current, self.boost, torch.ones(len(order), dtype=torch.float64))
        with meta_update(learner, self.gamma):
            losses = learner.descend_each(take(joined, order), weight)
        learner.memory.add(row)
        return losses[current.to(losses.device)]
