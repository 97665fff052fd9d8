"""everlearn keeps a neural network learning from a stream that changes, without losing what it knew."""

from everlearn.gate import Gate, Verdict
from everlearn.learner import Learner
from everlearn.losses import chosen_huber, cross_entropy, huber, next_token, squared
from everlearn.memory import Balanced, BottomK, Fifo, Reservoir, Ring, Weighted
from everlearn.methods import (
    AGEM,
    ER,
    EWC,
    GEM,
    MER,
    GEMReservoir,
    Independent,
    MERBatches,
    MERBig,
    MERCurrent,
    Online,
    Reptile,
    TaskER,
    TaskInput,
)
from everlearn.models import ByTask, ConvNet, TaskInputNet, mlp, nature
from everlearn.streams import Omniglot, Permutations, Rotations, Tasks
from everlearn.types import Batch, Diverged, InputError
from everlearn.watch import Watch
from everlearn.weights import OuterStep

__all__ = [
    "AGEM",
    "ER",
    "EWC",
    "GEM",
    "MER",
    "Balanced",
    "Batch",
    "BottomK",
    "ByTask",
    "ConvNet",
    "Diverged",
    "Fifo",
    "GEMReservoir",
    "Gate",
    "Independent",
    "InputError",
    "Learner",
    "MERBatches",
    "MERBig",
    "MERCurrent",
    "Omniglot",
    "Online",
    "OuterStep",
    "Permutations",
    "Reptile",
    "Reservoir",
    "Ring",
    "Rotations",
    "TaskER",
    "TaskInput",
    "TaskInputNet",
    "Tasks",
    "Verdict",
    "Watch",
    "Weighted",
    "chosen_huber",
    "cross_entropy",
    "huber",
    "mlp",
    "nature",
    "next_token",
    "squared",
]

__version__ = "0.1.0"
