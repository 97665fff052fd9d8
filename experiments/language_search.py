"""Learning rates for the language models: each arm has the same search.

Four rates an arm, schedule and memory, on seed 100; the best is the one that retains most, and of equal ones the
smaller. Those found stand in `everlearn.lm.comparisons`. A Reptile step takes back a part of what ten steps did, so
that no rate serves arms with and without alike.

    python experiments/language_search.py run      runs what is missing, into experiments/language-search
    python experiments/language_search.py          prints the tables
"""

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from everlearn.launch import launch
from everlearn.lm import LanguageExperiment
from everlearn.lm.arms import ARMS
from everlearn.lm.comparisons import REPLAYING, SCHEDULES, SMALL, Schedule
from everlearn.report.language import Reading, read_readings

RECORDS = Path(__file__).parent / "language-search"
RATES = (0.0025, 0.005, 0.01, 0.02)
MEMORIES: Mapping[int | None, tuple[str, ...]] = {None: tuple(ARMS), SMALL: REPLAYING}
"""Which arms are searched with a memory of so many rows."""
SEED = 100


def tried(memory: int | None, schedule: Schedule, name: str, lr: float) -> LanguageExperiment:
    """One run."""
    arm = ARMS[name]
    return LanguageExperiment(arm.method, lr, schedule, memory, arm.joint, seed=SEED)


def wanted() -> Iterator[LanguageExperiment]:
    """All runs."""
    for memory, names in MEMORIES.items():
        for schedule in SCHEDULES:
            for name in names:
                for lr in RATES:
                    yield tried(memory, schedule, name, lr)


@cache
def recorded() -> Mapping[str, Reading]:
    """What is recorded, by folder."""
    groups = read_readings([RECORDS]) if RECORDS.exists() else []
    return {run.folder.name: run for group in groups for one in group for run in one.runs}


def found(memory: int | None, schedule: Schedule, name: str) -> dict[float, Reading]:
    """An arm's runs by their rates."""
    folders = {lr: tried(memory, schedule, name, lr).folder() for lr in RATES}
    return {lr: recorded()[folder] for lr, folder in folders.items() if folder in recorded()}


def best(memory: int | None, schedule: Schedule, name: str) -> float | None:
    """The rate with the lowest loss at the end, over all texts; None where a run is missing."""
    own = found(memory, schedule, name)
    return min(own, key=lambda lr: (own[lr].retained, lr)) if len(own) == len(RATES) else None


def table(memory: int | None, schedule: Schedule) -> str:
    """What each arm retains at each rate, the best in bold."""
    lines = ["| arm | " + " | ".join(f"{lr:g}" for lr in RATES) + " |", "|---" * (1 + len(RATES)) + "|"]
    for name in MEMORIES[memory]:
        own, chosen = found(memory, schedule, name), best(memory, schedule, name)
        told = [f"{own[lr].retained:.3f}" if lr in own else "–" for lr in RATES]
        cells = [f"**{text}**" if lr == chosen else text for lr, text in zip(RATES, told, strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        outcome = launch(list(wanted()), RECORDS, int(sys.argv[2]) if len(sys.argv) > 2 else None)
        for folder, error in outcome.failures.items():
            print(f"{folder.name}: {error}", file=sys.stderr)
    for memory in MEMORIES:
        for schedule in SCHEDULES:
            print(f"memory of {memory or 'all'}, {schedule}\n\n{table(memory, schedule)}\n")
