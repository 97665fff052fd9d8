"""The compiled path: the learner's sequential steps once more, for multilayer perceptrons under plain SGD."""

from everlearn.fast.coverage import objections
from everlearn.fast.perceptron import Perceptron

__all__ = ["Perceptron", "objections"]
