"""A model's trainable parameters as one point in weight space."""

from everlearn.weights.outer import OuterStep
from everlearn.weights.point import flat, move_from, not_finite, snapshot

__all__ = ["OuterStep", "flat", "move_from", "not_finite", "snapshot"]
