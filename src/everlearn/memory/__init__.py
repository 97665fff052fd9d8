"""Memories: bounded stores of rows. Columns, an admission rule and a draw; nothing of learning."""

from everlearn.memory.balanced import Balanced
from everlearn.memory.bottom_k import BottomK
from everlearn.memory.fifo import Fifo
from everlearn.memory.reservoir import Reservoir
from everlearn.memory.ring import Ring
from everlearn.memory.weighted import Weighted

__all__ = ["Balanced", "BottomK", "Fifo", "Reservoir", "Ring", "Weighted"]
