"""Writes the tables of the docs' pages from the committed records: python experiments/pages.py."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import draws
import drift
import equal_compute
import gem_reservoir
import mnist
import omniglot
import optimizers
import paper
import ranks

ROOT = Path(__file__).parents[1]


def speed() -> str:
    """The claims about speed and what was measured on two kinds of machine."""
    lines = ["| | ratio | reached for | times | on the newer kind | times |", "|---|---|---|---|---|---|"]
    first, newer = (
        {ratio["claim"]: ratio for ratio in json.loads((ROOT / "benchmarks" / name).read_text())["ratios"]}
        for name in ("record.json", "record-2.json")
    )
    for claim, ratio in (first | newer).items():
        bound = f"{'≥' if ratio['at_least'] else '≤'} {ratio['target']:g}"
        cells = [
            (f"{one[claim]['measured']:.2f}", one[claim]["details"]) if claim in one else ("–", "")
            for one in (first, newer)
        ]
        lines.append(f"| {claim} | {cells[0][0]} | {bound} | {cells[0][1]} | {' | '.join(cells[1])} |")
    return "\n".join(lines)


def stores() -> str:
    """Memories on disk beside other stores."""
    lines = ["| | ratio | reached for | ours and theirs |", "|---|---|---|---|"]
    for ratio in json.loads((ROOT / "benchmarks" / "stores.json").read_text())["ratios"]:
        bound = f"{'≥' if ratio['at_least'] else '≤'} {ratio['target']:g}"
        lines.append(f"| {ratio['claim']} | {ratio['measured']:.2f} | {bound} | {ratio['details']} |")
    return "\n".join(lines)


TABLES: dict[str, tuple[str, Callable[[], str]]] = {
    "mnist": ("docs/results/mnist.md", mnist.tables),
    "more-seeds": ("docs/results/mnist.md", mnist.more_seeds),
    "draws": ("docs/results/mnist.md", draws.table),
    "online-rates": ("docs/results/mnist.md", mnist.online_rates),
    "equal-compute": ("docs/results/equal-compute.md", equal_compute.comparison_table),
    "search": ("docs/results/equal-compute.md", equal_compute.search_table),
    **{f"paper-{number}": ("docs/results/paper.md", partial(paper.accuracies, number)) for number in (1, 2, 3, 6)},
    "paper-4-signs": ("docs/results/paper.md", paper.signs),
    "paper-4": ("docs/results/paper.md", paper.alignment),
    "paper-5": ("docs/results/paper.md", paper.transfer),
    **{f"paper-{number}": ("docs/results/paper.md", partial(paper.reproductions, number)) for number in (7, 8, 9)},
    "other-rates": ("docs/results/paper.md", paper.other_rates),
    "optimizers": ("docs/results/paper.md", optimizers.table),
    "gem-reservoir": ("docs/results/paper.md", gem_reservoir.table),
    "omniglot-ten": ("docs/results/paper.md", partial(omniglot.table, omniglot.COMPARED)),
    "omniglot-choices": ("docs/results/paper.md", lambda: omniglot.table(omniglot.choices())),
    "stores": ("docs/results/durability.md", stores),
    **{f"drift-{data}": ("docs/results/gate.md", partial(drift.table, data)) for data in drift.STREAMS},
    "ranks": ("docs/guides/scale.md", ranks.table),
    "speed": ("docs/guides/speed.md", speed),
}


def between(name: str) -> re.Pattern:
    """Where a table stands in its page."""
    return re.compile(rf"(?<=<!-- {name} -->\n\n).*?(?=\n\n<!-- end -->)", re.DOTALL)


if __name__ == "__main__":
    for name, (page, table) in TABLES.items():
        path = ROOT / page
        path.write_text(between(name).sub(table(), path.read_text()))
