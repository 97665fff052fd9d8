"""Gradient episodic memory with a reservoir."""

from dataclasses import dataclass

from torch import Tensor

from everlearn.methods.gem import project
from everlearn.ranges import not_negative
from everlearn.types import Batch, InputError, Learning, WholeMemory


@dataclass(frozen=True)
class GEMReservoir:
    """GEM whose memory is a reservoir: one constraint, the gradient of all rows that it holds.

    The row "GEM with reservoir" of Riemer et al. 2019, Table 6, which treats the whole memory as one.
    Needs no task. Each step costs a gradient on the whole memory, before the new rows enter it.
    """

    strength: float = 0.5
    """The least multiplier of the memory's gradient once there is a conflict (GEM's γ)."""

    def __post_init__(self) -> None:
        not_negative(strength=self.strength)

    def __call__(self, learner: Learning, batch: Batch) -> Tensor:
        memory = learner.memory
        if not isinstance(memory, WholeMemory):
            raise InputError("GEMReservoir needs a memory that shows all its rows, such as everlearn.Reservoir(…)")
        memory.expect(batch)
        losses, gradient = learner.gradient(batch)
        if old := memory.held():
            gradient = project(gradient, learner.gradients([old]), self.strength)
        learner.apply(gradient)
        memory.add(batch)
        return losses
