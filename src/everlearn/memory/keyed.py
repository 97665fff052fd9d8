"""Holding the rows with the largest keys: what weighted and hashed samples have in common.

Counters: `seen` rows, `held` of them now: all that came, and were not deleted, whose keys are larger than `above`.
A row's mark is its key.
"""

from math import inf

import torch
from torch import Tensor

from everlearn.memory.bounded import PASSED, Admission
from everlearn.memory.state import Counters

FEW = 50
"""Rows that are looked for one by one, where more are looked up in a set."""


def admit(
    capacity: int, counters: Counters, marks: Tensor, keys: list[float], *, may_repeat: bool = False
) -> Admission:
    """What becomes of rows with such keys, in order; where they may repeat, one that is held already is passed over."""
    held, above = length(counters), counters.get("above", -inf)
    marks, slots, smallest = marks.clone() if len(keys) > 1 else marks, [], None
    known = {*marks[:held].tolist()} if may_repeat and len(keys) > FEW else None
    for key in keys:
        if held == capacity and smallest is None:
            slot = int(marks.argmin())
            smallest = slot, float(marks[slot])
        slot, bound = smallest or (held, above)
        if key <= above or key < bound:
            slots.append(PASSED)
            above = max(above, key)
        elif may_repeat and ((marks[:held] == key).any() if known is None else key in known):
            slots.append(PASSED)
        else:
            slots.append(slot)
            held, above, smallest = min(held + 1, capacity), max(above, bound), None
            if len(keys) > 1:
                marks[slot] = key
            if known is not None:
                known.add(key)
    return Admission(slots, {"seen": counters.get("seen", 0) + len(keys), "held": held, "above": above}, keys)


def length(counters: Counters) -> int:
    """How many rows are held: in the first slots, in any order."""
    return int(counters.get("held", 0))


def settle(counters: Counters, kept: Tensor) -> tuple[Tensor, Counters]:
    """Side by side; where none is left it begins anew."""
    above = counters.get("above", -inf) if len(kept) else -inf
    return torch.arange(len(kept)), counters | {"held": len(kept), "above": above}
