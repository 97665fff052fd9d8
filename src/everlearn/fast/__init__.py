"""The compiled path: the learner's steps, and many gradients at once, for multilayer perceptrons."""

from everlearn.fast.frozen import Frozen
from everlearn.fast.gradients import gradients
from everlearn.fast.paths import Paths, Step

__all__ = ["Frozen", "Paths", "Step", "gradients"]
