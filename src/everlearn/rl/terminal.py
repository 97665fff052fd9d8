"""A game in the terminal, played by an agent of a recorded run."""

from pathlib import Path
from time import monotonic, sleep
from typing import TextIO

from everlearn.ranges import at_least, positive
from everlearn.rl.experiment import experiment_of
from everlearn.rl.film import show
from everlearn.types import InputError

TOP, CLEAR = "\x1b[H", "\x1b[2J"


def play(
    folder: Path,
    out: TextIO,
    *,
    task: int = 1,
    after: int | None = None,
    frames: int = 600,
    speed: float = 30,
    seed: int = 0,
) -> float:
    """Show an agent at play, picture over picture.

    Args:
        folder: of the run.
        out: the terminal.
        task: which of the run's tasks is played, from 1.
        after: the agent as it was after so many tasks; by default after the last.
        frames: how many.
        speed: frames a second.
        seed: of the first episode.

    Returns:
        The score of the last episode, as far as it went.

    Raises:
        InputError: the folder holds no run of a game, or of one that has no text form, or the run has no such
            task or is not so far.
    """
    experiment = experiment_of(folder)
    env = experiment.environment()
    at_least(1, frames=frames)
    at_least(0, seed=seed)
    positive(speed=speed)
    after = env.tasks if after is None else after
    for name, value in (("task", task), ("after", after)):
        if not 1 <= value <= env.tasks:
            raise InputError(f"{name} must be from 1 to {env.tasks}, not {value}")
    if "ansi" not in env.metadata.get("render_modes", []):
        raise InputError(f"{experiment.sequence} can't be shown in a terminal: it has no render mode 'ansi'")
    agent, score, began = experiment.agent_after(folder, after), 0.0, monotonic()
    out.write(CLEAR)
    for n, (picture, score) in enumerate(show(agent, env.make(task - 1, render_mode="ansi"), frames, seed=seed)):
        out.write(f"{TOP}{picture}task {task}, agent after task {after}, score {score:g}   \n")
        out.flush()
        sleep(max(0.0, began + (n + 1) / speed - monotonic()))
    return score
