"""The compiled path: the learner's steps, and many gradients at once, for multilayer perceptrons."""

from everlearn.fast.coverage import objections
from everlearn.fast.frozen import Frozen
from everlearn.fast.gradients import gradients
from everlearn.fast.perceptron import Perceptron, Rows

__all__ = ["Frozen", "Perceptron", "Rows", "gradients", "objections"]
