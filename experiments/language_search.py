"""Learning rates for the language models: each arm has the same search.

Six rates an arm, schedule and memory, on seed 100 and rows that the comparisons are not tested on, and more beyond
while the best is the highest or the lowest of them. All six are run, as what is retained may have two lowest places.
The best is the one that retains most, and of equal ones the smaller; a run that diverges retains nothing. Those found
stand in `everlearn.lm.comparisons`. A Reptile step takes back a part of what ten steps did, so that no rate serves
arms with and without alike.

    python experiments/language_search.py run      runs what is missing, into experiments/language-search
    python experiments/language_search.py          prints the tables
"""

from collections.abc import Iterator, Mapping
from functools import cache
from math import inf
from pathlib import Path

import asked

from everlearn.lm import LanguageExperiment
from everlearn.lm.arms import ARMS
from everlearn.lm.comparisons import REPLAYING, SCHEDULES, SMALL, Schedule
from everlearn.record import Record
from everlearn.report.language import read_readings

RECORDS = Path(__file__).parent / "language-search"
RATES = (0.000625, 0.00125, 0.0025, 0.005, 0.01, 0.02)
BEYOND = ((0.0003125,), (0.04, 0.08))
"""Below and above, in the order in which they are tried."""
MEMORIES: Mapping[int | None, tuple[str, ...]] = {None: tuple(ARMS), SMALL: REPLAYING}
"""Which arms are searched with a memory of so many rows."""
SEED = 100


def tried(memory: int | None, schedule: Schedule, name: str, lr: float) -> LanguageExperiment:
    """One run."""
    arm = ARMS[name]
    return LanguageExperiment(arm.method, lr, schedule, memory, arm.joint, kept="validation", seed=SEED)


def searches() -> Iterator[tuple[int | None, Schedule, str]]:
    """Memory, schedule and arm of each search."""
    for memory, names in MEMORIES.items():
        for schedule in SCHEDULES:
            for name in names:
                yield memory, schedule, name


@cache
def recorded() -> Mapping[str, float]:
    """The loss at the end, over all texts, by folder; infinite where it diverged."""
    groups = read_readings([RECORDS]) if RECORDS.exists() else []
    losses = {run.folder.name: run.retained for group in groups for one in group for run in one.runs}
    ends = {path.parent.name: list(Record(path.parent).lines())[-1] for path in RECORDS.glob("*/record.jsonl")}
    return losses | {name: inf for name, end in ends.items() if end["event"] == "diverged"}


def found(memory: int | None, schedule: Schedule, name: str) -> dict[float, float]:
    """An arm's losses by rate."""
    folders = {lr: tried(memory, schedule, name, lr).folder() for lr in _all_rates()}
    return {lr: recorded()[folder] for lr, folder in folders.items() if folder in recorded()}


def _all_rates() -> list[float]:
    return sorted((*RATES, *BEYOND[0], *BEYOND[1]))


def missing(losses: Mapping[float, float]) -> list[float]:
    """The rates that an arm is to be run at next, given its losses so far; none once it has its best."""
    first = [lr for lr in RATES if lr not in losses]
    if first:
        return first
    order, chosen = _all_rates(), _lowest(losses)
    place = order.index(chosen)
    return [lr for lr in order[max(place - 1, 0) : place + 2] if lr not in losses]


def _lowest(losses: Mapping[float, float]) -> float:
    return min(losses, key=lambda lr: (losses[lr], lr))


def best(memory: int | None, schedule: Schedule, name: str) -> float | None:
    """The rate with the lowest loss at the end, over all texts; None where a run is missing."""
    losses = found(memory, schedule, name)
    return None if missing(losses) else _lowest(losses)


def table(memory: int | None, schedule: Schedule) -> str:
    """What each arm retains at each rate, the best in bold."""
    own = {name: found(memory, schedule, name) for name in MEMORIES[memory]}
    rates = [lr for lr in _all_rates() if any(lr in losses for losses in own.values())]
    if not rates:
        return "Not run yet."
    lines = ["| arm | " + " | ".join(f"{lr:g}" for lr in rates) + " |", "|---" * (1 + len(rates)) + "|"]
    for name, losses in own.items():
        chosen = best(memory, schedule, name)
        told = [f"{losses[lr]:.3f}".replace("inf", "diverged") if lr in losses else "–" for lr in rates]
        cells = [f"**{text}**" if lr == chosen else text for lr, text in zip(rates, told, strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def search() -> None:
    """Run what is missing, until nothing is, or what is can't be run."""
    asked_for: set[str] = set()
    while True:
        recorded.cache_clear()
        runs = [tried(*one, lr) for one in searches() for lr in missing(found(*one))]
        if {run.folder() for run in runs} <= asked_for:
            return
        asked_for |= {run.folder() for run in runs}
        asked.run_missing(runs, RECORDS)


if __name__ == "__main__":
    if asked.to_run():
        search()
    for memory in MEMORIES:
        for schedule in SCHEDULES:
            print(f"memory of {memory or 'all'}, {schedule}\n\n{table(memory, schedule)}\n")
