"""Holding the rows with the largest keys: what weighted and hashed samples have in common.

Counters: `seen` rows, `held` of them now: all that came, and were not deleted, whose keys are larger than `above`.
A row's mark is its key.
"""

from math import inf

import torch
from torch import Tensor

from everlearn.memory.bounded import PASSED, Admission
from everlearn.memory.state import Counters

FEW = 300
"""Rows that are looked for one by one, where more are looked up in a set."""


def admit(
    capacity: int, counters: Counters, marks: Tensor, keys: list[float], *, may_repeat: bool = False
) -> Admission:
    """What becomes of rows with such keys, in order; where they may repeat, one that is held already is passed over."""
    held, before = length(counters), counters.get("above", -inf)
    noted = marks.numpy()  # Which finds the smallest faster.
    least = float(noted.min()) if held == capacity else -inf
    hopeful = sum(key > before and key >= least for key in keys)
    # They are noted one after the other, and those of one batch have to find each other.
    noted = noted.copy() if hopeful > 1 else noted
    known = {*noted[:held].tolist()} if may_repeat and hopeful > FEW else None
    above, slots, smallest = before, [], None
    for key in keys:
        if held == capacity and smallest is None:
            slot = int(noted.argmin())
            smallest = slot, float(noted[slot])
        slot, bound = smallest or (held, above)
        if key <= above or key < bound:
            slots.append(PASSED)
            above = max(above, key)
        elif may_repeat and (key in noted[:held] if known is None else key in known):
            slots.append(PASSED)
        else:
            slots.append(slot)
            held, above, smallest = min(held + 1, capacity), max(above, bound), None
            if hopeful > 1:
                noted[slot] = key
            if known is not None:
                known.add(key)
    after = {"seen": counters.get("seen", 0) + len(keys), "held": held, "above": above}
    return Admission(slots, after, keys, lasting=above > before)


def length(counters: Counters) -> int:
    """How many rows are held: in the first slots, in any order."""
    return int(counters.get("held", 0))


def settle(counters: Counters, kept: Tensor) -> tuple[Tensor, Counters]:
    """Side by side; where none is left it begins anew."""
    above = counters.get("above", -inf) if len(kept) else -inf
    return torch.arange(len(kept)), counters | {"held": len(kept), "above": above}
