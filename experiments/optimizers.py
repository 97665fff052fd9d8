"""Learning rates for ER with tasks under Adam and RMSProp, which the paper does not print: docs/results/paper.md.

Every rate is tried on seed 100 in each of the paper's settings, with as many rows replayed as the paper
chose for plain SGD; the one with the highest retained accuracy stands in `everlearn.presets`.

    python experiments/optimizers.py run     runs what is missing, into experiments/optimizers.jsonl
    python experiments/optimizers.py         prints the table
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import fmean

import asked
from lines import Lines, retained

from everlearn.presets import CELLS, paper

LINES = Lines(Path(__file__).with_suffix(".jsonl"), ("optimizer", "stream", "memory", "lr", "seed"))
OPTIMIZERS, RATES, SEEDS = ("adam", "rmsprop"), (1e-4, 3e-4, 1e-3, 3e-3), (100,)
MNIST_CELLS = [cell for cell in CELLS if cell[0] != "omniglot"]


def tried(optimizer: str, stream: str, memory: int, lr: float, seed: int) -> dict:
    """What one run retained."""
    return {"ra": retained(replace(paper(stream, "task-er", memory, seed=seed), optimizer=optimizer, lr=lr))}


def wanted() -> Iterator[tuple]:
    """The settings of all runs, seed by seed."""
    for seed, (stream, memory), optimizer, lr in product(SEEDS, MNIST_CELLS, OPTIMIZERS, RATES):
        yield optimizer, stream, memory, lr, seed


def means(optimizer: str, stream: str, memory: int) -> dict[float, float]:
    """The mean retained accuracy at each rate that has all its seeds."""
    own = [
        line
        for line in LINES.recorded()
        if (line["optimizer"], line["stream"], line["memory"]) == (optimizer, stream, memory)
    ]
    groups = {lr: [line["ra"] for line in own if line["lr"] == lr] for lr in RATES}
    return {lr: fmean(group) for lr, group in groups.items() if len(group) == len(SEEDS)}


def table() -> str:
    """Retained accuracy at each rate; the best stands out."""
    lines = ["| optimizer | stream | memory | " + " | ".join(f"{lr:g}" for lr in RATES) + " |", "|---" * 7 + "|"]
    for optimizer in OPTIMIZERS:
        for stream, memory in MNIST_CELLS:
            found = means(optimizer, stream, memory)
            told = [
                f"**{found[lr]:.2f}**" if found[lr] == max(found.values()) else f"{found[lr]:.2f}"
                for lr in RATES
                if lr in found
            ]
            if len(told) == len(RATES):
                lines.append(f"| {optimizer} | {stream} | {memory:,} | {' | '.join(told)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if asked.to_run():
        LINES.run_missing(tried, wanted())
    print(table())
