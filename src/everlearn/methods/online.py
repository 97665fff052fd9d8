"""Online learning: the baseline that forgets."""

from dataclasses import dataclass

from torch import Tensor

from everlearn.types import Batch, Learning


@dataclass(frozen=True)
class Online:
    """One optimizer step on each batch as it comes; no memory.

    The row "Online" of Riemer et al. 2019, Tables 1-3.
    """

    def __call__(self, learner: Learning, batch: Batch) -> Tensor:
        return learner.descend(batch)
