"""Rates and strengths of GEM with a reservoir, which the paper does not print: docs/results/paper.md.

On Rotations, where GEM's own settings retain less than the paper's row, with seed 100, which is used for nothing else.

    python experiments/gem_reservoir.py run     runs what is missing, into experiments/gem_reservoir.jsonl
    python experiments/gem_reservoir.py         prints the table
"""

from dataclasses import replace
from itertools import product
from pathlib import Path

import asked
from lines import Lines, retained

from everlearn.methods import GEMReservoir
from everlearn.presets import paper

LINES = Lines(Path(__file__).with_suffix(".jsonl"), ("memory", "lr", "strength"))
MEMORIES = (200, 500, 5120)
SETTINGS = ((0.01, 0.0), (0.01, 0.5), (0.01, 1.0), (0.003, 1.0), (0.03, 1.0))
"""Learning rates and strengths."""
SEED = 100


def tried(memory: int, lr: float, strength: float) -> dict:
    """What one run retained."""
    own = paper("rotations", "gem-reservoir", memory, seed=SEED)
    return {"ra": retained(replace(own, method=GEMReservoir(strength), lr=lr))}


def table() -> str:
    """Retained accuracy at each setting; that which the rows have stands out."""
    found = {(line["memory"], line["lr"], line["strength"]): line["ra"] for line in LINES.recorded()}
    heads = [f"rate {lr:g}, strength {strength:g}" for lr, strength in SETTINGS]
    lines = [f"| memory | {' | '.join(heads)} |", "|---" * (1 + len(SETTINGS)) + "|"]
    for memory in MEMORIES:
        own = paper("rotations", "gem-reservoir", memory)
        cells = []
        for lr, strength in SETTINGS:
            told = f"{found[memory, lr, strength]:.2f}" if (memory, lr, strength) in found else "–"
            is_own = (own.lr, own.method) == (lr, GEMReservoir(strength))
            cells.append(f"**{told}**" if is_own else told)
        lines.append(f"| {memory:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if asked.to_run():
        LINES.run_missing(tried, [(memory, *one) for memory, one in product(MEMORIES, SETTINGS)])
    print(table())
