"""Learning rates for the games, which the paper does not settle: each arm has the same search.

Six tasks of 10,000 frames, five steps an arm and game: a step is what a frame's learning comes to, so that an arm's
learning rate is the step by its reach (`everlearn.rl.arms`). From numbers with seeds 100 to 102; from pictures with
seed 100, and Catcher alone: of so few pictures the bird learned nothing at the first two steps that were tried, so
that it is given Catcher's. 35 runs an arm. The best step is the one with the highest mean score over all tasks and all
trials, so that to learn sooner and more steadily counts; of equal ones the smaller. From numbers it is the same for all
arms; from pictures one seed says too little to tell arms apart, so that all have the one that is best in their mean.
That is the same again, and stands in `everlearn.rl.comparisons`.
All else is the same for all arms: plain SGD, two layers of 64 units, a discount of .99, epsilon from 1 to .05 in
10,000 frames, a target network 500 frames old at most, 50,000 transitions, 16 of them replayed for each new one.

    python experiments/games_search.py run      runs what is missing, into experiments/games-search
    python experiments/games_search.py          prints the tables
"""

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import asked

from everlearn.record import Record
from everlearn.rl import GameExperiment, Trials
from everlearn.rl.arms import ARMS, Arm

RECORDS = Path(__file__).parent / "games-search"
GAMES = {"numbers": ("catcher", "flappy-bird"), "pictures": ("catcher",)}
STEPS = (0.05, 0.1, 0.2, 0.5, 1.0)
SEEDS = {"numbers": range(100, 103), "pictures": range(100, 101)}
SEEN: dict[str, dict[str, int]] = {"numbers": {}, "pictures": {"pixels": 32, "stack": 2}}


def tried(seen: str, game: str, arm: Arm, step: float, seed: int) -> GameExperiment:
    """One run."""
    trials = Trials(every=5_000, episodes=10, limit=2_000)
    lr = arm.lr(step)
    return GameExperiment(game, arm.method, keep=arm.keep, lr=lr, frames=10_000, trials=trials, seed=seed, **SEEN[seen])


def wanted() -> Iterator[GameExperiment]:
    """All runs, those from numbers first, seed by seed and game by game."""
    for seen, seeds in SEEDS.items():
        for seed in seeds:
            for game in GAMES[seen]:
                for arm in ARMS.values():
                    for step in STEPS:
                        yield tried(seen, game, arm, step, seed)


def score(experiment: GameExperiment) -> float | None:
    """The mean score over all tasks, episodes and trials; None where there is no whole record."""
    folder = RECORDS / experiment.folder()
    if not experiment.is_finished(folder):
        return None
    trials = [line["scores"] for line in Record(folder).lines() if line["event"] == "trial"]
    return fmean(one for scores in trials for own in scores for one in own)


def means(seen: str, game: str, arm: Arm) -> dict[float, float]:
    """The mean over the seeds for each step; without those at which a run is missing or diverged."""
    found = {step: [score(tried(seen, game, arm, step, seed)) for seed in SEEDS[seen]] for step in STEPS}
    return {step: fmean(own) for step, own in found.items() if None not in own}


def best(seen: str, game: str, arm: Arm) -> float:
    """The step with the highest mean; of equal ones the smaller."""
    own = means(seen, game, arm)
    return max(own, key=lambda step: (own[step], -step))


def best_in_common(seen: str, game: str) -> float:
    """Likewise, of the mean over all arms."""
    own = [means(seen, game, arm) for arm in ARMS.values()]
    return max(STEPS, key=lambda step: (fmean(one[step] for one in own), -step))


def table(seen: str, game: str) -> str:
    """The means for each arm and step, the best of an arm in bold."""
    lines = ["| arm | " + " | ".join(f"{step:g}" for step in STEPS) + " |", "|---" * (1 + len(STEPS)) + "|"]
    for name, arm in ARMS.items():
        own = means(seen, game, arm)
        told = [f"{own[step]:.1f}".replace("-", "−") if step in own else "–" for step in STEPS]
        if own:
            place = STEPS.index(best(seen, game, arm))
            told[place] = f"**{told[place]}**"
        lines.append(f"| {name} | {' | '.join(told)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if asked.to_run():
        asked.run_missing(list(wanted()), RECORDS)
    for seen in SEEN:
        for game in GAMES[seen]:
            print(f"{game} from {seen}\n\n{table(seen, game)}\n")
