"""The tables and figures of docs/results/games.md, from the records in experiments/games.

    python experiments/games.py      prints the tables

`everlearn paper --figure NAME --seeds 10 --out experiments/games` runs what is missing of one.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from everlearn.report import read_lives
from everlearn.report.figures import every_game
from everlearn.report.games import HEADINGS, decimals, game_rows
from everlearn.report.lives import Life, Lives, gap
from everlearn.report.welch import Difference, holm
from everlearn.rl import Catcher, FlappyBird, Games, Trials
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


FIRST, OTHERS = "while it is learned", "while others are"
LEARNED = 5.0
"""Points above the lowest score, from which on a task counts as learned."""


def _is_unlike(life: Life) -> np.ndarray:
    """(trials,) whether what is in training is not like the first task."""
    tasks = life.config["tasks"]
    return np.array([tasks[trial["task"]] != tasks[0] for trial in life.trials])


def _own(life: Life) -> np.ndarray:
    """The first task's scores in its own training."""
    return life.scores[life.frames <= life.experiment.frames, 0]


def _meanwhile(life: Life) -> float:
    """The first task's mean score while others are in training."""
    return float(life.scores[_is_unlike(life), 0].mean())


def _left(lives: Sequence[Life], when: str) -> float | None:
    """The first task's mean score, of its best in its own training, in percent, of all lives together.

    None where it was not learned.

    While others are in training, or in the second half of its own: what it loses there, no other task took.
    All in points above the lowest score there is. Each life's own share would say most of those that learned least.
    """
    lowest = -8.0 if lives[0].experiment.sequence.startswith("catcher") else -5.0
    owns = [_own(life) for life in lives]
    means = [
        _meanwhile(life) if when == OTHERS else own[len(own) // 2 :].mean()
        for life, own in zip(lives, owns, strict=True)
    ]
    best = np.mean([own.max() for own in owns]) - lowest
    return None if best < LEARNED else float(100 * (np.mean(means) - lowest) / best)


MEASURES: dict[str, Callable[[Life], float]] = {
    "mean at the end": lambda life: life.end,
    "first task at the end": lambda life: float(life.at_end(life.scores)[0]),
    "first task while others are learned": _meanwhile,
    "last task at the end": lambda life: float(life.at_end(life.scores)[-1]),
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
    if not any(arms(figure, sequence) for sequence in COMPARISONS[figure].sequences):
        return "Not run yet."
    shown = [HEADINGS.index(name) for name in ("learned", "at the end", "task 1 learned", "task 1 at the end")]
    whens = [f"task 1 left {when}" for when in (FIRST, OTHERS)]
    head = ["tasks", "arm", "seeds", *(HEADINGS[place] for place in shown), *whens, "hits, first and last"]
    lines = [_row(head), "|---" * len(head) + "|"]
    for sequence in COMPARISONS[figure].sequences:
        group = arms(figure, sequence)
        for one, cells in zip(group, game_rows(group), strict=True):
            seeds = f"{len(one.runs)} of {SEEDS[figure]}"
            left = [_left(one.runs, when) for when in (FIRST, OTHERS)]
            told = ["–" if share is None else f"{share:.0f} %" for share in left]
            lines.append(_row([sequence, ARMS[one.name], seeds, *(cells[place] for place in shown), *told, _hits(one)]))
    return "\n".join(lines)


def _hits(one: Lives) -> str:
    if not one.experiment.sequence.startswith("catcher"):
        return "–"
    first, last = (100 * np.mean([run.at_end(run.hits)[task] for run in one.runs]) for task in (0, -1))
    return f"{first:.0f}, {last:.0f} %"


def differences(figure: str) -> str:
    """DQN-MER less each other arm, paired over seeds, 95 %; the tested measure in bold where Holm's test rejects 0."""
    found = [
        (sequence, other, seeds, [gap(mer, other, measure) for measure in MEASURES.values()])
        for sequence in COMPARISONS[figure].sequences
        for mer, other, seeds in _pairs(figure, sequence)
    ]
    if not found:
        return "No two seeds that both arms have."
    place = [*MEASURES].index(PRIMARY)
    lines = [f"| tasks | DQN-MER less | seeds | {' | '.join(MEASURES)} |", "|---" * (3 + len(MEASURES)) + "|"]
    rejects = holm([gaps[place].p for *_, gaps in found])
    for (sequence, other, seeds, gaps), rejected in zip(found, rejects, strict=True):
        told = [_told(one, bold=rejected and i == place) for i, one in enumerate(gaps)]
        lines.append(_row([sequence, ARMS[other.name], str(seeds), *told]))
    return "\n".join(lines)


def _pairs(figure: str, sequence: str) -> Iterator[tuple[Lives, Lives, int]]:
    """DQN-MER's lives, each other arm's, and how many seeds they share, where there are two."""
    group = {one.name: one for one in arms(figure, sequence)}
    mer = group.pop("dqn-mer", None)
    for other in group.values() if mer else ():
        seeds = len({*mer.seeds} & {*other.seeds})
        if seeds > 1:
            yield mer, other, seeds


def _told(found: Difference, *, bold: bool) -> str:
    places = decimals(found.half)
    text = f"{found.mean:+z.{places}f} ± {found.half:.{places}f}".replace("-", "−")
    return f"**{text}**" if bold else text


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |".replace(" -", " −")


def constant() -> str:
    """What an agent scores that takes one action all the time, in 200 episodes as long as those of trials at odds."""
    kinds = {"Catcher": Catcher(), "Catcher, to be dodged": Catcher(dodge=True), "Flappy Bird": FlappyBird()}
    lines = ["| game | always | mean score |", "|---|---|---|"]
    for name, kind in kinds.items():
        for action, told in enumerate(kind.rules.actions):
            games = Games(kind, 200)
            games.reset(seed=0)
            score, alive = np.zeros(200), np.ones(200, bool)
            for _ in range(Trials().limit):
                _, rewards, over, _, _ = games.step(np.full(200, action))
                score, alive = score + rewards * alive, alive & ~over
            lines.append(_row([name, told, f"{score.mean():.1f}"]))
    return "\n".join(lines)


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
