"""A model's trainable parameters as one point in weight space."""

from everlearn.weights.point import move_from, not_finite, snapshot

__all__ = ["move_from", "not_finite", "snapshot"]
