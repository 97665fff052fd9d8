"""Streams: where the data sets come from, and the sequences of tasks made of them."""

from everlearn.streams.omniglot import Omniglot
from everlearn.streams.own import Tasks
from everlearn.streams.permuted import Permutations
from everlearn.streams.rotated import Rotations

__all__ = ["Omniglot", "Permutations", "Rotations", "Tasks"]
