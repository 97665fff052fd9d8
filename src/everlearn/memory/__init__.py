"""Memories: bounded stores of rows. Columns, an admission rule and a draw; nothing of learning."""

from everlearn.memory.fifo import Fifo
from everlearn.memory.reservoir import Reservoir
from everlearn.memory.ring import Ring

__all__ = ["Fifo", "Reservoir", "Ring"]
