"""Films of an agent at play."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from everlearn.ranges import at_least
from everlearn.rl.agent import DQN
from everlearn.types import InputError


def show(agent: DQN, env: gymnasium.Env, frames: int, *, seed: int = 0) -> Iterator[tuple[Any, float]]:
    """Let an agent play, always taking the action that it holds for the best, and learning nothing.

    Args:
        agent: who plays.
        env: what.
        frames: how many, over as many episodes as it takes.
        seed: of the first episode.

    Yields:
        What `env.render` gives, or None where it has no mode, and the episode's score so far.
    """
    seen, score = env.reset(seed=seed)[0], 0.0
    for _ in range(frames):
        seen, reward, terminated, truncated, _ = env.step(int(agent.values(seen[None]).argmax()))
        score += float(reward)
        yield env.render() if env.render_mode else None, score
        if terminated or truncated:
            seen, score = env.reset()[0], 0.0


def film(
    agent: DQN, env: gymnasium.Env, path: Path, *, frames: int = 300, height: int = 160, every: int = 3, seed: int = 0
) -> None:
    """An animated GIF of an agent at play.

    Args:
        agent: who plays.
        env: what; with the render mode "rgb_array".
        path: the file.
        frames: how many are played.
        height: of the picture, in pixels.
        every: frames from one picture to the next, which is shown as long, to a hundredth of a second.
        seed: of the first episode.

    Raises:
        InputError: the environment gives no pictures, or there is no frame to show.
    """
    from PIL import Image  # noqa: PLC0415

    at_least(1, frames=frames, height=height, every=every)

    pictures = []
    for n, (picture, _) in enumerate(show(agent, env, frames, seed=seed)):
        if not isinstance(picture, np.ndarray):
            raise InputError("a film needs an environment with render_mode='rgb_array'")
        if n % every == 0:
            image = Image.fromarray(picture)
            image = image.resize((round(image.width * height / image.height), height), Image.Resampling.BOX)
            pictures.append(image.quantize(16))
    per_second = env.metadata.get("render_fps", 30)
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=round(1000 * every / per_second),
        loop=0,
        optimize=True,
    )
