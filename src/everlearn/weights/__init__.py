"""A model's trainable parameters as one point in weight space."""

from everlearn.weights.point import move_from, snapshot

__all__ = ["move_from", "snapshot"]
