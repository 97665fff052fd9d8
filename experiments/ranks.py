"""A thousand processes, each with a memory of its own stream, merged and dealt out anew: docs/guides/scale.md.

What can't be run here in processes is run in one: the memories are the real ones, their rows are numbers. Streams
differ in length by up to a factor of three, the shortest has ten times as many rows as a memory holds. A trial salts
the hash anew. It counts which rows are held in the end, by where they came from and when: 20 groups of processes, 10
stretches of their streams.

    python experiments/ranks.py run      runs what is missing, into experiments/ranks.jsonl
    python experiments/ranks.py          prints the table
"""

from math import log
from pathlib import Path
from statistics import fmean
from time import process_time

import asked
import numpy as np
import torch
from lines import Lines
from scipy.stats import chi2

from everlearn.chance import generator
from everlearn.memory import BottomK
from everlearn.memory.bottom_k import hashed

LINES = Lines(Path(__file__).with_suffix(".jsonl"), ("ranks", "capacity", "trial"))
RANKS, TRIALS = 1000, {20: 20, 100: 5, 500: 2}
"""Processes; and trials for each number of rows that one holds."""
AFTER = (1, 3, 1250)
"""Processes that go on, of which the first three at most are made."""
GROUPS, STRETCHES, WATCHED = 20, 10, 5


def perform(ranks: int, capacity: int, trial: int) -> dict:
    """One trial.

    Args:
        ranks: processes.
        capacity: rows that each holds.
        trial: the salt.
    """
    lengths = torch.randint(10 * capacity, 30 * capacity + 1, (ranks,), generator=generator(trial, "lengths"))
    rank_of = torch.arange(ranks).repeat_interleave(lengths)
    numbers = torch.arange(len(rank_of))
    memories = [BottomK(capacity, salt=trial) for _ in range(ranks)]
    admitted = 0
    for rank, (memory, own) in enumerate(zip(memories, numbers.split(lengths.tolist()), strict=True)):
        for part in own.split(1 if rank < WATCHED else len(own)):
            memory.add({"id": part})
            admitted += rank < WATCHED and bool((memory.held()["id"] == part).any())
    found = {
        "rows": len(numbers),
        "admitted": admitted / WATCHED,
        "expected": fmean(capacity * (1 + log(n / capacity)) for n in lengths[:WATCHED].tolist()),
    }
    bound = max(memory.counters["above"] for memory in memories)
    for after in AFTER:
        start = process_time()
        parts = [dealt(memories, part, after, trial) for part in range(min(after, 3))]
        found[f"seconds, {after}"] = (process_time() - start) / len(parts)
        should = numbers[keys(numbers, trial) > bound]
        theirs = should[(hashed(should, trial) >> 11) % after < len(parts)]
        found[f"right, {after}"] = sorted(one for part in parts for one in held(part)) == theirs.tolist()
        found[f"held, {after}"] = [len(part) for part in parts]
    stretch = ((numbers - (lengths.cumsum(0) - lengths)[rank_of]) * STRETCHES / lengths[rank_of]).long()
    cells = (rank_of * GROUPS // ranks) * STRETCHES + stretch
    found["offered"] = cells.bincount(minlength=GROUPS * STRETCHES).tolist()
    found["kept"] = cells[keys(numbers, trial) > bound].bincount(minlength=GROUPS * STRETCHES).tolist()
    return found


def dealt(memories: list[BottomK], part: int, parts: int, salt: int) -> BottomK:
    """What one of some processes goes on with: its part of what all held."""
    new = BottomK(2 * sum(map(len, memories)) // parts, salt=salt)
    for memory in memories:
        new.merge(memory, part=part, parts=parts)
    return new


def held(memory: BottomK) -> list[int]:
    """The identities that a memory holds."""
    return sorted(memory.held()["id"].tolist()) if len(memory) else []


def keys(numbers: torch.Tensor, salt: int) -> torch.Tensor:
    """As `BottomK` has them."""
    return (hashed(numbers, salt) >> 11).double() / 2**52


def table() -> str:
    """By the rows that a process holds, what was measured."""
    lines = [
        "| rows in each of 1,000 memories | offered to each | admitted, by arithmetic | left when merged into 1 "
        "| the very rows of one memory of all streams | seconds to merge into 1, and into one of 1,250 | χ²/df |",
        "|---|---|---|---|---|---|---|",
    ]
    for capacity, trials in TRIALS.items():
        own = [line for line in LINES.recorded() if line["capacity"] == capacity]
        if len(own) < trials:
            continue
        right = sum(line[f"right, {after}"] for line in own for after in AFTER)
        cells = [
            f"{fmean(line['rows'] for line in own) / RANKS:,.0f}",
            f"{fmean(line['admitted'] for line in own):,.0f}, {fmean(line['expected'] for line in own):,.0f}",
            f"{fmean(line['held, 1'][0] for line in own) / RANKS / capacity:.0%}",
            f"{right} of {len(own) * len(AFTER)} times",
            f"{fmean(line['seconds, 1'] for line in own):.1f}, {fmean(line['seconds, 1250'] for line in own):.1f}",
            uniform(own),
        ]
        lines.append(f"| {capacity} | {' | '.join(cells)} |")
    return "\n".join(lines)


def uniform(lines: list[dict]) -> str:
    """Pearson's χ² of what is held by group and stretch, a degree of freedom, and how likely a larger one is."""
    offered, kept = (np.array([line[name] for line in lines], float) for name in ("offered", "kept"))
    shares = kept.sum(1, keepdims=True) / offered.sum(1, keepdims=True)
    # Drawn without replacement: they spread less than independent draws.
    spread = ((kept - offered * shares) ** 2 / (offered * shares * (1 - shares))).sum()
    free = kept.size - len(lines)
    return f"{spread / free:.2f} (p = {chi2.sf(spread, free):.2f})"


if __name__ == "__main__":
    if asked.to_run():
        wanted = ((RANKS, capacity, trial) for capacity, trials in TRIALS.items() for trial in range(trials))
        LINES.run_missing(perform, wanted, asked.processes())
    print(table())
