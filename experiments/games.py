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
from everlearn.report.results import interval
from everlearn.rl.comparisons import COMPARISONS, comparison

RECORDS = Path(__file__).parent / "games"
ARMS = {
    "dqn": "DQN, last transitions",
    "dqn-reservoir": "DQN, reservoir",
    "sequential": "one transition a step",
    "dqn-mer": "DQN-MER",
}
SEEDS = {"states": 10, "printed": 3, "pixels": 5, "convolutions": 1, "odds": 10, "turned": 10}
"""How many each figure is to have."""


def _left(life: Life) -> float:
    """What is left of the first task, at its worst after it, of its best, in percent; below 50 it is forgotten.

    Both in points above the score of one that catches or passes nothing.
    """
    nothing = -8.0 if life.experiment.sequence.startswith("catcher") else -5.0
    first, after = life.scores[:, 0] - nothing, life.frames > life.experiment.frames
    return float(100 * first[after].min() / max(first.max(), 1e-9))


MEASURES: dict[str, Callable[[Life], float]] = {
    "mean at the end": lambda life: life.end,
    "first task at the end": lambda life: float(life.at_end(life.scores)[0]),
    "last task at the end": lambda life: float(life.at_end(life.scores)[-1]),
    "hits at the end, %": lambda life: 100 * float(life.at_end(life.hits).mean()),
}
PRIMARY = "mean at the end"
"""The one measure that is tested; the others are told beside it."""


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
    """What each arm learned, and what is left of it; how many lives are missing, or diverged, shows."""
    head = ["tasks", *HEADINGS, "left of task 1, at worst"]
    lines = [_row(head), "|---" * len(head) + "|"]
    for sequence in COMPARISONS[figure].sequences:
        group = arms(figure, sequence)
        for one, (_, seeds, *cells) in zip(group, game_rows(group), strict=True):
            left = interval([_left(run) for run in one.runs])
            told = f"{left.mean:.0f} %" + ("" if left.half is None else f" ± {left.half:.0f}")
            lines.append(_row([sequence, ARMS[one.name], f"{seeds} of {SEEDS[figure]}", *cells, told]))
    return "\n".join(lines)


def differences(figure: str) -> str:
    """DQN-MER less each other arm, paired over seeds, 95 %; the tested measure in bold where it excludes 0."""
    lines = [f"| tasks | DQN-MER less | seeds | {' | '.join(MEASURES)} |", "|---" * (3 + len(MEASURES)) + "|"]
    for sequence in COMPARISONS[figure].sequences:
        group = {one.name: one for one in arms(figure, sequence)}
        mer = group.pop("dqn-mer", None)
        for other in group.values() if mer else ():
            seeds = {*mer.seeds} & {*other.seeds}
            if len(seeds) > 1:
                told = [_told(mer, other, name) for name in MEASURES]
                lines.append(_row([sequence, ARMS[other.name], str(len(seeds)), *told]))
    return "\n".join(lines)


def _told(mer: Lives, other: Lives, name: str) -> str:
    found = gap(mer, other, MEASURES[name])
    text = f"{found.mean:+.1f} ± {found.half:.1f}"
    return f"**{text}**" if found.excludes_zero and name == PRIMARY else text


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
