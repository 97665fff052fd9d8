"""Whether the DQN is a sound one: CartPole-v1, which stays as it is and pays at most 500 an episode.

Seeds 0 to 4; 100,000 frames; as for the games 16 old transitions and the new one a frame, of the last 50,000, and a
target network 500 frames old at most; two layers of 128 units, Adam at 0.0005. An agent is tried every 5,000 frames in
100 episodes. It is sound if, for each seed, there is a trial with a mean of 475 or more, which is Gymnasium's own
threshold. With torch's own initial weights, and with the games', whose biases are zero.

    python experiments/cart_pole.py run      runs what is missing, into experiments/cart-pole
    python experiments/cart_pole.py          prints the table
"""

from itertools import product
from pathlib import Path

import asked

from everlearn.methods import ER
from everlearn.report import read_lives
from everlearn.rl import GameExperiment, Trials

RECORDS = Path(__file__).parent / "cart-pole"
INITIAL = {"torch": "torch's own", "xavier": "Xavier's, biases 0"}
SEEDS = range(5)
SOLVED = 475
"""Gymnasium's own threshold, for a mean over 100 episodes."""
LIVES = {
    (initial, seed): GameExperiment(
        "cart-pole",
        ER(16),
        keep="fifo",
        optimizer="adam",
        lr=5e-4,
        hidden=(128, 128),
        initial=initial,
        frames=100_000,
        trials=Trials(every=5_000, episodes=100, limit=500),
        seed=seed,
    )
    for initial, seed in product(INITIAL, SEEDS)
}


def table() -> str:
    """For each seed the mean returns in the trials."""
    groups = read_lives([RECORDS]) if RECORDS.exists() else []
    runs = {run.folder.name: run for group in groups for one in group for run in one.runs}
    found = {key: runs[life.folder()] for key, life in LIVES.items() if life.folder() in runs}
    if not found:
        return "Not run yet."
    head = ["initial weights", "seed", "best trial", f"trials of {SOLVED} or more", "at 10,000, 20,000, … frames"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for (initial, seed), run in found.items():
        own = run.scores[:, 0]
        each = ", ".join(f"{score:.0f}" for score in own[1::2])
        many = f"{(own >= SOLVED).sum()} of {len(own)}"
        lines.append(f"| {INITIAL[initial]} | {seed} | {own.max():.1f} | {many} | {each} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if asked.to_run():
        asked.run_missing([*LIVES.values()], RECORDS)
    print(table())
