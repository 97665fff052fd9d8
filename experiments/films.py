"""The film in README: Catcher, to be caught, before and after the agents learn to dodge, side by side.

From left to right: the usual DQN once it has learned to catch, the same once it has learned to dodge, a DQN with a
reservoir likewise. The first seed. It needs the networks of two lives, which are not committed: on two cores some
minutes.

    everlearn paper --figure odds --sequences catcher-dodge --arms dqn dqn-reservoir --seeds 1 --out lives
    python experiments/films.py lives      writes docs/_static/forgetting.gif
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw

from everlearn.rl.comparisons import comparison
from everlearn.rl.film import show

FILM = Path(__file__).parents[1] / "docs" / "_static" / "forgetting.gif"
SHOWN = (("dqn", 1), ("dqn", 2), ("dqn-reservoir", 2))
"""An arm, and how many tasks it has been through."""
FRAMES, EVERY, HEIGHT, GAP = 420, 3, 150, 12


def pictures(lives: Path, arm: str, tasks: int) -> Iterator[Image.Image]:
    """The first task, played by one of the agents, with how many it has caught and missed so far."""
    (life,) = comparison("odds", ("catcher-dodge",), (arm,))
    agent, env = life.agent_after(lives / life.folder(), tasks), life.environment().make(0, render_mode="rgb_array")
    caught, missed, before = 0, 0, 0.0
    for number, (picture, score) in enumerate(show(agent, env, FRAMES, seed=3)):
        gain = score - before
        caught, missed = caught + (gain > 0), missed + (gain < 0)
        before = score if gain > -2 else 0.0  # The third miss costs six, and ends the episode.
        if number % EVERY == 0:
            small = Image.fromarray(picture).resize((HEIGHT, HEIGHT), Image.Resampling.BOX)
            ImageDraw.Draw(small).text((4, 2), f"caught {caught}  missed {missed}", fill="gray")
            yield small


def side_by_side(lives: Path) -> list[Image.Image]:
    """A frame of all, on white."""
    found = []
    for panels in zip(*(pictures(lives, *one) for one in SHOWN), strict=True):
        sheet = Image.new("RGB", (len(SHOWN) * (HEIGHT + GAP) - GAP, HEIGHT), "white")
        for number, one in enumerate(panels):
            sheet.paste(one, (number * (HEIGHT + GAP), 0))
        found.append(sheet.quantize(16))
    return found


if __name__ == "__main__":
    first, *rest = side_by_side(Path(sys.argv[1]))
    first.save(FILM, save_all=True, append_images=rest, duration=1000 * EVERY // 30, loop=0, optimize=True)
    print(f"{FILM}: {FILM.stat().st_size:,} bytes")
