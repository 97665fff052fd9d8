"""The tables and figures of docs/results/games.md, from the records in experiments/games.

    python experiments/games.py      prints the tables

`everlearn paper --figure NAME --seeds 10 --out experiments/games` runs what is missing of one.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from everlearn.report import read_lives
from everlearn.report.figures import every_game
from everlearn.report.games import HEADINGS, game_rows
from everlearn.report.lives import Life, Lives, gap
from everlearn.rl.comparisons import COMPARISONS, comparison

RECORDS = Path(__file__).parent / "games"
ARMS = {
    "dqn": "DQN, last transitions",
    "dqn-reservoir": "DQN, reservoir",
    "sequential": "one transition a step",
    "dqn-mer": "DQN-MER",
}
MEASURES: dict[str, Callable[[Life], float]] = {
    "mean at the end": lambda life: life.end,
    "first task at the end": lambda life: float(life.at_end(life.scores)[0]),
    "first task, end less learned": lambda life: float((life.at_end(life.scores) - life.learned(life.scores))[0]),
    "last task at the end": lambda life: float(life.at_end(life.scores)[-1]),
}


@cache
def lives() -> dict[str, Lives]:
    """What is recorded, each arm by its first seed's folder name without the seed."""
    found = read_lives([RECORDS]) if RECORDS.exists() else []
    return {_without_seed(one.experiment.folder()): one for group in found for one in group}


def _without_seed(folder: str) -> str:
    return folder.rpartition("-seed")[0]


def arms(figure: str, sequence: str) -> list[Lives]:
    """The arms of a figure that are recorded on a sequence, in its order."""
    wanted = [_without_seed(one.folder()) for one in comparison(figure, (sequence,))]
    return [lives()[name] for name in wanted if name in lives()]


def table(figure: str) -> str:
    """What each arm learned, and what is left of it."""
    lines = [f"| tasks | {' | '.join(HEADINGS)} |", "|---" * (1 + len(HEADINGS)) + "|"]
    for sequence in COMPARISONS[figure].sequences:
        group = arms(figure, sequence)
        lines += [
            _row([sequence, ARMS[one.name], *cells[1:]]) for one, cells in zip(group, game_rows(group), strict=True)
        ]
    return "\n".join(lines)


def differences(figure: str) -> str:
    """DQN-MER less each other arm, paired over seeds; in bold where the interval excludes 0."""
    lines = [f"| tasks | DQN-MER less | seeds | {' | '.join(MEASURES)} |", "|---" * (3 + len(MEASURES)) + "|"]
    for sequence in COMPARISONS[figure].sequences:
        group = {one.name: one for one in arms(figure, sequence)}
        mer = group.pop("dqn-mer", None)
        for other in group.values() if mer else ():
            seeds = {*mer.seeds} & {*other.seeds}
            if len(seeds) > 1:
                told = [_told(mer, other, measure) for measure in MEASURES.values()]
                lines.append(_row([sequence, ARMS[other.name], str(len(seeds)), *told]))
    return "\n".join(lines)


def _told(mer: Lives, other: Lives, measure: Callable[[Life], float]) -> str:
    found = gap(mer, other, measure)
    text = f"{found.mean:+.1f} ± {found.half:.1f}"
    return f"**{text}**" if found.excludes_zero else text


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |".replace(" -", " −")


def drawings() -> dict[str, str]:
    """By file name, HTML with the curves of each arm on one sequence."""
    found = {}
    for figure, about in COMPARISONS.items():
        for sequence in about.sequences:
            group = arms(figure, sequence)
            if group:
                curves = every_game(group, [ARMS[one.name] for one in group])
                shown = "\n".join(f"<figure>{curve}</figure>" for curve in curves)
                found[f"{figure}-{sequence}.html"] = f'<div class="figures">\n{shown}\n</div>\n'
    return found


if __name__ == "__main__":
    for figure in COMPARISONS:
        print(figure, table(figure), differences(figure), sep="\n\n", end="\n\n")
