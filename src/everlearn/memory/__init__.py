"""Memories: bounded stores of rows. Columns, an admission rule and a draw; nothing of learning."""

from everlearn.memory.reservoir import Reservoir

__all__ = ["Reservoir"]
