"""What is compared on texts: how much is replayed, and whether Reptile steps go with it."""

from dataclasses import dataclass

from everlearn.methods import MERBatches

STEPS, GAMMA = 10, 0.5
"""Of a Reptile step: batches from one to the next, and how far it goes."""


@dataclass(frozen=True)
class Arm:
    """One way to read."""

    method: MERBatches
    joint: bool = False
    """All texts at once, which is what none that reads them one after another can be expected to reach."""


def _arms() -> dict[str, Arm]:
    found = {}
    for name, replayed, joint in (
        ("plain", 0, False),
        ("replay 5 %", 1, False),
        ("replay 25 %", 5, False),
        ("replay 50 %", 10, False),
        ("joint", 0, True),
    ):
        found[name] = Arm(MERBatches(replayed, STEPS, 1.0), joint)
        found[f"{name} + Reptile"] = Arm(MERBatches(replayed, STEPS, GAMMA), joint)
    return found


ARMS = _arms()
"""Of batches of twenty rows. With Reptile steps, replay is MER's form for large batches."""


def arm_name(method: MERBatches, joint: bool) -> str:
    """The arm's name; of what is none of them, what it replays and how its Reptile steps go."""
    for name, arm in ARMS.items():
        if arm == Arm(method, joint):
            return name
    return f"{'joint ' if joint else ''}{method.replayed} old rows, {method.gamma} every {method.steps}"
