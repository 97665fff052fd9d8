"""Methods: one paper's algorithm a file, each a frozen dataclass called as `method(learner, batch)`."""

from everlearn.methods.mer import MER
from everlearn.methods.mer_big import MERBig
from everlearn.methods.mer_current import MERCurrent
from everlearn.methods.online import Online
from everlearn.methods.replay import ER
from everlearn.methods.replay_tasks import TaskER
from everlearn.methods.reptile import Reptile

__all__ = ["ER", "MER", "MERBig", "MERCurrent", "Online", "Reptile", "TaskER"]
