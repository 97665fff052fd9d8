"""Methods: one paper's algorithm a file, each a frozen dataclass called as `method(learner, batch)`."""

from everlearn.methods.agem import AGEM
from everlearn.methods.ewc import EWC
from everlearn.methods.gem import GEM
from everlearn.methods.gem_reservoir import GEMReservoir
from everlearn.methods.independent import Independent
from everlearn.methods.mer import MER
from everlearn.methods.mer_batches import MERBatches
from everlearn.methods.mer_big import MERBig
from everlearn.methods.mer_current import MERCurrent
from everlearn.methods.online import Online
from everlearn.methods.replay import ER
from everlearn.methods.replay_tasks import TaskER
from everlearn.methods.reptile import Reptile
from everlearn.methods.task_input import TaskInput

__all__ = [
    "AGEM",
    "ER",
    "EWC",
    "GEM",
    "MER",
    "GEMReservoir",
    "Independent",
    "MERBatches",
    "MERBig",
    "MERCurrent",
    "Online",
    "Reptile",
    "TaskER",
    "TaskInput",
]
