"""everlearn keeps a neural network learning from a stream that changes, without losing what it knew."""

from everlearn.learner import Learner
from everlearn.losses import cross_entropy, huber, squared
from everlearn.memory import Reservoir
from everlearn.methods import ER, MER, MERBig, MERCurrent, Online, Reptile, TaskER
from everlearn.models import mlp
from everlearn.streams import Permutations, Rotations, Tasks
from everlearn.types import Batch, Diverged, InputError

__all__ = [
    "ER",
    "MER",
    "Batch",
    "Diverged",
    "InputError",
    "Learner",
    "MERBig",
    "MERCurrent",
    "Online",
    "Permutations",
    "Reptile",
    "Reservoir",
    "Rotations",
    "TaskER",
    "Tasks",
    "cross_entropy",
    "huber",
    "mlp",
    "squared",
]

__version__ = "0.1.0"
