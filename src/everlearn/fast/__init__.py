"""The compiled path: the learner's single-row steps, and many gradients at once, for multilayer perceptrons."""

from everlearn.fast.coverage import objections
from everlearn.fast.frozen import Frozen
from everlearn.fast.gradients import gradients
from everlearn.fast.perceptron import Perceptron

__all__ = ["Frozen", "Perceptron", "gradients", "objections"]
