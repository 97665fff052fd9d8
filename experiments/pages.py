"""Writes the tables of the docs' pages from the committed records: python experiments/pages.py."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cart_pole
import draws
import drift
import equal_compute
import games
import games_search
import gem_reservoir
import language
import language_search
import mnist
import omniglot
import optimizers
import paper
import ranks
import sb3

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
            (f"{one[claim]['measured']:.3g}", one[claim]["details"]) if claim in one else ("–", "")
            for one in (first, newer)
        ]
        lines.append(f"| {claim} | {cells[0][0]} | {bound} | {cells[0][1]} | {' | '.join(cells[1])} |")
    return "\n".join(lines)


def stores() -> str:
    """Memories on disk beside other stores."""
    lines = ["| | ratio | reached for | ours and theirs |", "|---|---|---|---|"]
    for ratio in json.loads((ROOT / "benchmarks" / "stores.json").read_text())["ratios"]:
        bound = f"{'≥' if ratio['at_least'] else '≤'} {ratio['target']:g}"
        lines.append(f"| {ratio['claim']} | {ratio['measured']:.3g} | {bound} | {ratio['details']} |")
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
    **{f"games-{name}": ("docs/results/games.md", partial(games.table, name)) for name in games.COMPARISONS},
    **{
        f"games-{name}-differences": ("docs/results/games.md", partial(games.differences, name))
        for name in games.COMPARISONS
    },
    **{
        f"games-search-{seen}-{game}": ("docs/results/games.md", partial(games_search.table, seen, game))
        for seen in games_search.SEEN
        for game in games_search.GAMES[seen]
    },
    **{
        f"language-{name}-{schedule}{part}": ("docs/results/language.md", partial(table, name, schedule))
        for name, schedule in language.shown()
        for part, table in (("", language.table), ("-differences", language.differences))
    },
    **{
        f"language-sizes-{schedule}": ("docs/results/language.md", partial(language.sizes, schedule))
        for schedule in language_search.SCHEDULES
    },
    **{
        f"language-search-{memory or 'all'}-{schedule}": (
            "docs/results/language.md",
            partial(language_search.table, memory, schedule),
        )
        for memory in language_search.MEMORIES
        for schedule in language_search.SCHEDULES
    },
    "games-constant": ("docs/results/games.md", games.constant),
    "cart-pole": ("docs/results/games.md", cart_pole.table),
    "sb3": ("docs/results/games.md", sb3.table),
}

FIGURES = ROOT / "docs" / "results" / "figures"
DRAWINGS = (games.drawings, language.drawings)
"""Each gives HTML by its file's name."""


def between(name: str) -> re.Pattern:
    """Where a table stands in its page."""
    return re.compile(rf"(?<=<!-- {name} -->\n\n).*?(?=\n\n<!-- end -->)", re.DOTALL)


def draw() -> None:
    """Write the figures that pages include; they are not committed: docs/conf.py calls this."""
    FIGURES.mkdir(exist_ok=True)
    for drawn in DRAWINGS:
        for name, html in drawn().items():
            (FIGURES / name).write_text(html)


if __name__ == "__main__":
    for name, (page, table) in TABLES.items():
        path = ROOT / page
        path.write_text(between(name).sub(table(), path.read_text()))
