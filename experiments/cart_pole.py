"""Whether the DQN is a sound one: CartPole-v1, which stays as it is and pays at most 500 an episode.

Seeds 0 to 4; 60,000 frames; two layers of 128 units, Adam at 0.00025, batches of 64 old transitions and the new one,
the last 50,000 transitions. An agent is tried every 5,000 frames in 20 episodes. It is sound if, for each seed, its
best five trials in a row, 100 episodes, have a mean of 475 or more, which is Gymnasium's own threshold.

    python experiments/cart_pole.py run      runs what is missing, into experiments/cart-pole
    python experiments/cart_pole.py          prints the table
"""

import sys
from pathlib import Path

import numpy as np

from everlearn.launch import launch
from everlearn.methods import ER
from everlearn.report import read_lives
from everlearn.rl import GameExperiment, Trials

RECORDS = Path(__file__).parent / "cart-pole"
LIVES = [
    GameExperiment(
        "cart-pole",
        ER(64),
        keep="fifo",
        optimizer="adam",
        lr=2.5e-4,
        hidden=(128, 128),
        frames=60_000,
        trials=Trials(every=5_000, episodes=20, limit=500),
        seed=seed,
    )
    for seed in range(5)
]


def table() -> str:
    """For each seed the mean returns in the trials."""
    every = LIVES[0].trials.every
    frames = range(every, LIVES[0].frames + 1, every)
    head = ["seed", *(f"{frame:,}" for frame in frames), "best 100 episodes"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    runs = [run for group in (read_lives([RECORDS]) if RECORDS.exists() else []) for run in group[0].runs]
    for run in runs:
        own = run.scores[:, 0]
        best = np.convolve(own, np.ones(5) / 5, "valid").max()
        lines.append(f"| {run.experiment.seed} | {' | '.join(f'{score:.0f}' for score in own)} | {best:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        outcome = launch(LIVES, RECORDS, int(sys.argv[2]) if len(sys.argv) > 2 else None)
        for folder, error in outcome.failures.items():
            print(f"{folder.name}: {error}", file=sys.stderr)
    print(table())
