"""What is compared on games: the same network and as many old transitions a frame, learned in four ways."""

from dataclasses import dataclass
from typing import Literal

from everlearn.methods import ER, MER
from everlearn.types import Method

REPLAYED = 16
"""Old transitions that are learned with each new one, in all arms: those that Riemer et al. 2019 print."""
GAMMA = 0.3
"""Theirs (appendix N.3)."""


@dataclass(frozen=True)
class Arm:
    """One way to learn a transition."""

    about: str
    method: Method
    keep: Literal["fifo", "reservoir"]
    reach: float
    """How far a frame moves the weights to first order, against one step on the mean of all its transitions."""

    def lr(self, step: float) -> float:
        """The learning rate at which a frame goes as far as one step of so large a rate on the mean.

        Seventeen steps of one transition each go about seventeen times as far as one on their mean, and a
        Reptile step takes back 1 − γ of it. All arms are searched over the same steps in this sense.

        >>> round(ARMS["dqn-mer"].lr(0.51), 3)
        0.1
        """
        return step / self.reach


def _sequential(about: str, gamma: float) -> Arm:
    method = MER(batches=1, replayed=REPLAYED, beta=1.0, gamma=gamma, add="before")
    return Arm(about, method, "reservoir", (REPLAYED + 1) * gamma)


ARMS = {
    "dqn": Arm("the usual DQN, which replays of the last transitions", ER(REPLAYED), "fifo", 1.0),
    "dqn-reservoir": Arm("the same with a uniform sample of all", ER(REPLAYED), "reservoir", 1.0),
    "sequential": _sequential("one step on each transition in turn", 1.0),
    "dqn-mer": _sequential("and a Reptile step after those (Algorithm 8 of Riemer et al. 2019)", GAMMA),
}


def arm_name(method: Method, keep: str) -> str:
    """The arm's name; of what is none of them the method's, and what is kept."""
    for name, arm in ARMS.items():
        if (arm.method, arm.keep) == (method, keep):
            return name
    return f"{type(method).__name__}, {keep}"
