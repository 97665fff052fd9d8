"""Stable-Baselines3's DQN on the same sequences and as many frames, for `docs/results/games.md`.

The paper's six tasks, from numbers; one gradient step a frame on 16 old transitions. What can be the same is: two
layers of 64 units, 50,000 transitions, rewards cut to ±1, a discount of .99, epsilon from 1 to .05 in 10,000 frames,
a target network 500 frames old at most, and the trials. Its optimizer stays Adam, at its own default rate and at two
higher ones.

    python experiments/sb3.py run      runs what is missing, into experiments/sb3.jsonl
    python experiments/sb3.py          prints the table
"""

from itertools import product
from pathlib import Path
from statistics import fmean
from time import perf_counter

import asked
import torch
from gymnasium.wrappers import ClipReward
from lines import Lines

from everlearn.report.lives import LAST
from everlearn.report.results import interval
from everlearn.rl import Trials, sequence
from everlearn.rl.play import try_all
from everlearn.rl.sequences import FRAMES

LINES = Lines(Path(__file__).with_suffix(".jsonl"), ("seed", "game", "lr"))
GAMES, RATES, SEEDS = ("catcher", "flappy-bird"), (1e-4, 3e-4, 1e-3), range(3)


class Tried:
    """Trials every so many frames, as ours have them."""

    def __init__(self, game: str, seed: int) -> None:
        self.env, self.found, self.trying = sequence(game), [], 0.0
        self.trials = Trials(limit=10_000, seed=Trials().seed + 1_000 * seed)

    def values(self, observations):
        """What each action is worth."""
        with torch.no_grad():
            return self.network(torch.as_tensor(observations))

    def __call__(self, given, _) -> bool:
        """After each frame."""
        agent = given["self"]
        if agent.num_timesteps % self.trials.every == 0:
            self.network, begun = agent.q_net, perf_counter()
            scores, gained, lost = try_all(self, self.env, self.trials)
            self.found.append({"frame": agent.num_timesteps, "scores": scores, "gained": gained, "lost": lost})
            self.trying += perf_counter() - begun
        return True


def lived(seed: int, game: str, lr: float) -> dict:
    """One life: its trials, and how long it took."""
    from stable_baselines3 import DQN  # noqa: PLC0415

    env = sequence(game)
    frames, tried = FRAMES * env.tasks, Tried(game, seed)
    agent = DQN(
        "MlpPolicy",
        ClipReward(env, -1, 1),
        learning_rate=lr,
        buffer_size=50_000,
        learning_starts=1,
        batch_size=16,
        train_freq=1,
        target_update_interval=500,
        exploration_fraction=10_000 / frames,
        exploration_final_eps=0.05,
        gamma=0.99,
        policy_kwargs={"net_arch": [64, 64]},
        seed=seed,
        device="cpu",
    )
    begun = perf_counter()
    agent.learn(frames, callback=tried)
    seconds = perf_counter() - begun - tried.trying
    return {"seconds": seconds, "trials": tried.found}


def at_end(line: dict) -> float:
    """The mean score over tasks and episodes in the last trials."""
    return fmean(score for trial in line["trials"][-LAST:] for task in trial["scores"] for score in task)


def table() -> str:
    """The mean score at the end, for each game and rate."""
    if not LINES.recorded():
        return "Not run yet."
    lines = ["| game | rate | seeds | at the end | frames/s |", "|---|---|---|---|---|"]
    for game in GAMES:
        for lr in RATES:
            own = [line for line in LINES.recorded() if (line["game"], line["lr"]) == (game, lr)]
            if own:
                value = interval([at_end(line) for line in own])
                score = f"{value.mean:.1f}".replace("-", "−") + ("" if value.half is None else f" ± {value.half:.1f}")
                speed = fmean(line["trials"][-1]["frame"] / line["seconds"] for line in own)
                lines.append(f"| {game} | {lr:g} | {len(own)} | {score} | {speed:,.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if asked.to_run():
        LINES.run_missing(lived, product(SEEDS, GAMES, RATES), asked.processes())
    print(table())
