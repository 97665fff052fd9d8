"""Experience replay."""

from dataclasses import dataclass

from torch import Tensor

from everlearn.batches import count, join
from everlearn.ranges import at_least
from everlearn.types import Batch, Learning


@dataclass(frozen=True)
class ER:
    """Experience replay: one optimizer step on the new rows joined with rows from memory.

    Riemer et al. 2019, Algorithm 4. While the memory is empty a step is one of online
    learning; while it holds fewer than `replayed` rows, that many are drawn.
    """

    replayed: int = 10
    """Rows drawn from memory for each batch (the paper's k − 1)."""

    def __post_init__(self) -> None:
        at_least(0, replayed=self.replayed)

    def __call__(self, learner: Learning, batch: Batch) -> Tensor:
        learner.memory.expect(batch)
        old = learner.memory.sample(self.replayed)
        losses = learner.descend(join(batch, old))
        learner.memory.add(batch)
        return losses[: count(batch)]
