"""Learning rates for the games, which the paper does not settle: each arm has the same grid and the same seeds.

Six tasks of 10,000 frames, seeds 100 to 102, five rates an arm and game. An arm's rate is the one with the highest
mean score over all tasks in the last four trials. All else is the same for all arms: plain SGD, two layers of 64
units, a discount of .99, epsilon from 1 to .05 in 10,000 frames, a target network 500 frames old at most, 50,000
transitions, 16 of them replayed for each new one.

    python experiments/games_search.py run      runs what is missing, into experiments/games-search
    python experiments/games_search.py          prints the tables
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from everlearn.launch import launch
from everlearn.methods import ER, MER
from everlearn.record import Record
from everlearn.rl import GameExperiment, Trials

RECORDS = Path(__file__).parent / "games-search"
GAMES = ("catcher", "flappy-bird")
RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
SEEDS = range(100, 103)


class Arm(NamedTuple):
    """What is compared."""

    method: Any
    keep: Any


ARMS = {
    "DQN, last transitions": Arm(ER(16), "fifo"),
    "DQN, reservoir": Arm(ER(16), "reservoir"),
    "sequential replay": Arm(MER(batches=1, replayed=16, beta=1.0, gamma=1.0, add="before"), "reservoir"),
    "DQN-MER": Arm(MER(batches=1, replayed=16, beta=1.0, gamma=0.3, add="before"), "reservoir"),
}


def tried(game: str, arm: Arm, lr: float, seed: int) -> GameExperiment:
    """One run."""
    trials = Trials(every=5_000, episodes=10, limit=1_000)
    return GameExperiment(game, arm.method, keep=arm.keep, lr=lr, frames=10_000, trials=trials, seed=seed)


def wanted() -> Iterator[GameExperiment]:
    """All runs, game by game and seed by seed."""
    for game in GAMES:
        for seed in SEEDS:
            for arm in ARMS.values():
                for lr in RATES:
                    yield tried(game, arm, lr, seed)


def score(experiment: GameExperiment) -> float | None:
    """The mean score over all tasks and episodes of the last four trials; None where there is no record."""
    folder = RECORDS / experiment.folder()
    if not experiment.is_finished(folder):
        return None
    trials = [line["scores"] for line in Record(folder).lines() if line["event"] == "trial"][-4:]
    return fmean(one for scores in trials for own in scores for one in own)


def table(game: str) -> str:
    """The mean over the seeds for each arm and rate; the best of an arm stands out."""
    lines = ["| arm | " + " | ".join(f"{lr:g}" for lr in RATES) + " |", "|---" * (1 + len(RATES)) + "|"]
    for name, arm in ARMS.items():
        found = {lr: [score(tried(game, arm, lr, seed)) for seed in SEEDS] for lr in RATES}
        means = {lr: fmean(own) for lr, own in found.items() if None not in own}
        told = [
            ""
            if lr not in means
            else f"**{means[lr]:.1f}**"
            if means[lr] == max(means.values())
            else f"{means[lr]:.1f}"
            for lr in RATES
        ]
        lines.append(f"| {name} | {' | '.join(told)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        workers = int(sys.argv[2]) if len(sys.argv) > 2 else None
        outcome = launch(list(wanted()), RECORDS, workers)
        print(json.dumps({str(folder): str(error) for folder, error in outcome.failures.items()}))
    for game in GAMES:
        print(table(game), end="\n\n")
