"""The experiments with texts: which arms are compared, at which rates."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

from everlearn.lm.arms import ARMS
from everlearn.lm.experiment import LanguageExperiment
from everlearn.types import InputError

Schedule = Literal["constant", "cosine"]
SCHEDULES: tuple[Schedule, ...] = ("constant", "cosine")
SMALL = 110
"""Rows: one in a hundred of those that an arm reads that replays a quarter."""

FEW = ("plain", "replay 50 %", "replay 50 % + Reptile")
"""Reading on, and what retains most on bytes."""
REPLAYING = tuple(name for name in ARMS if name.startswith("replay"))

RATES: Mapping[tuple[int | None, Schedule], Mapping[str, float]] = {
    (memory, schedule): dict(zip(names, rates, strict=True))
    for memory, names, schedule, rates in (
        (None, ARMS, "constant", (0.000625, 0.00125, 0.00125, 0.005, 0.0025, 0.005, 0.0025, 0.005, 0.0025, 0.005)),
        (None, ARMS, "cosine", (0.00125, 0.005, 0.0025, 0.005, 0.0025, 0.005, 0.0025, 0.005, 0.0025, 0.005)),
        (SMALL, REPLAYING, "constant", (0.00125, 0.005, 0.00125, 0.005, 0.000625, 0.02)),
        (SMALL, REPLAYING, "cosine", (0.0025, 0.005, 0.0025, 0.005, 0.0025, 0.005)),
    )
}
"""By memory and schedule, each arm's rate that retains most on seed 100 (`experiments/language_search.py`)."""


@dataclass(frozen=True)
class Comparison:
    """Arms on the three texts."""

    about: str
    arms: tuple[str, ...] = tuple(ARMS)
    schedules: tuple[Schedule, ...] = SCHEDULES
    seeds: int = 5
    """How many it is to have."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Of `LanguageExperiment`, where they are not its defaults."""


COMPARISONS = {
    "bytes": Comparison("all arms, with a memory of all that was read"),
    "few": Comparison(f"a memory of {SMALL} rows, one in a hundred", REPLAYING, settings={"memory": SMALL}),
    "pairs": Comparison("byte pairs for tokens, with the rates of bytes", FEW, seeds=3, settings={"tokens": "pairs"}),
    "medium": Comparison("a larger model, with the small one's rates", FEW, seeds=3, settings={"size": "medium"}),
    "large": Comparison("a still larger one, likewise", FEW, seeds=3, settings={"size": "large"}),
}


def comparison(
    name: str, arms: tuple[str, ...] | None = None, *, steps: int | None = None, seed: int = 0
) -> list[LanguageExperiment]:
    """The runs of one seed.

    Args:
        name: one of `COMPARISONS`.
        arms: some of its arms; by default all.
        steps: batches of each text, for a try; by default the comparison's.
        seed: of the runs.

    Raises:
        InputError: there is no such comparison or arm.

    >>> [one.label for one in comparison("pairs", ("plain",))]
    ['plain seed 0', 'plain seed 0']
    """
    if name not in COMPARISONS:
        raise InputError(f"there is no comparison {name}; there are: {', '.join(COMPARISONS)}")
    own = COMPARISONS[name]
    if arms == ():
        raise InputError(f"no arm is named; {name} has: {', '.join(own.arms)}")
    for arm in arms or ():
        if arm not in own.arms:
            raise InputError(f"{name} has no arm {arm!r}; it has: {', '.join(own.arms)}")
    return list(_runs(own, own.arms if arms is None else arms, {} if steps is None else {"steps": steps}, seed))


def _runs(own: Comparison, arms: tuple[str, ...], more: dict[str, Any], seed: int) -> Iterator[LanguageExperiment]:
    memory = own.settings.get("memory")
    for schedule, name in product(own.schedules, arms):
        arm, lr = ARMS[name], RATES[memory, schedule][name]
        settings: dict[str, Any] = {
            **own.settings,
            **more,
            "lr": lr,
            "schedule": schedule,
            "joint": arm.joint,
            "seed": seed,
        }
        yield LanguageExperiment(arm.method, **settings)
