"""Catcher: a paddle at the bottom catches what falls; after three misses the game is over.

The game of the PyGame Learning Environment at 640 × 640 (Tasfi 2016), as Riemer et al. 2019 use it
(section 5, appendix N): its constants and the order of its steps, positions as whole pixels.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from everlearn.ranges import positive, true_or_false
from everlearn.rl.paint import put
from everlearn.rl.rules import Rules, uniform
from everlearn.types import InputError

SIZE = 640
FRUIT = 38
PADDLE_WIDTH, PADDLE_HEIGHT = 128, 26
PUSH = 0.021 * SIZE
FRICTION = 0.9
FASTEST = FRICTION * PUSH / (1 - FRICTION)
"""Pixels a frame, which the paddle comes close to when it is pushed one way all the time."""
FRAME = 1000 / 30
"""Milliseconds."""
LIVES = 3
PADDLE_Y = SIZE - PADDLE_HEIGHT - 3

X, SPEED, FRUIT_X, FRUIT_Y, LEFT = range(5)
"""Places in the state; LEFT is of lives."""

VELOCITY, MIRRORED, DODGE = range(3)
"""Places in the settings."""


def drop(state: np.ndarray, chance: np.ndarray) -> None:
    """A new fruit, somewhere above the picture."""
    state[FRUIT_X] = FRUIT * (2 + uniform(chance, (SIZE - 2 * FRUIT - 1) // FRUIT - 1))
    state[FRUIT_Y] = -FRUIT * (1 + uniform(chance, (SIZE // 2 - 1) // FRUIT))


def reset(state: np.ndarray, chance: np.ndarray, settings: np.ndarray) -> None:  # noqa: ARG001
    """The paddle in the middle, at rest."""
    state[X], state[SPEED], state[LEFT] = SIZE // 2 - PADDLE_WIDTH // 2, 0.0, LIVES
    drop(state, chance)


def step(state: np.ndarray, chance: np.ndarray, settings: np.ndarray, action: int) -> tuple[float, bool]:
    """One frame: what fell is counted where it was, then paddle and fruit move."""
    reward = 0.0
    kind = -1.0 if settings[DODGE] else 1.0
    if state[FRUIT_Y] >= SIZE:
        reward -= kind
        drop(state, chance)
    if is_caught(state):
        reward += kind
        drop(state, chance)
    if reward < 0:
        state[LEFT] -= 1

    push = 0.0
    if action < 2:
        push = PUSH if (action == 1) != (settings[MIRRORED] != 0) else -PUSH
    speed = FRICTION * (state[SPEED] + push)
    x = state[X] + speed
    if x <= 0:
        x, speed = 0.0, 0.0
    elif x + PADDLE_WIDTH >= SIZE:
        x, speed = float(SIZE - PADDLE_WIDTH), 0.0
    state[X], state[SPEED] = round(x), speed
    state[FRUIT_Y] = round(state[FRUIT_Y] + settings[VELOCITY] * FRAME)
    if state[LEFT] <= 0:
        return reward - 5, True
    return reward, False


def is_caught(state: np.ndarray) -> bool:
    """Whether paddle and fruit overlap, each with its place as its centre."""
    return (
        abs(state[X] - state[FRUIT_X]) < (PADDLE_WIDTH + FRUIT) // 2
        and abs(PADDLE_Y - state[FRUIT_Y]) < (PADDLE_HEIGHT + FRUIT) // 2
    )


def observe(state: np.ndarray, settings: np.ndarray, out: np.ndarray) -> None:  # noqa: ARG001
    """The paddle's place and speed, and the fruit's place, in parts of the picture and of the highest speed."""
    out[0] = state[X] / SIZE
    out[1] = state[SPEED] / FASTEST
    out[2] = state[FRUIT_X] / SIZE
    out[3] = state[FRUIT_Y] / SIZE


def rectangles(state: np.ndarray, settings: np.ndarray, out: np.ndarray) -> None:  # noqa: ARG001
    """The fruit and the paddle, each with its place as its upper left corner, as the game draws them."""
    x, y = state[FRUIT_X], state[FRUIT_Y]
    put(out[0], x, y, x + FRUIT, y + FRUIT, (255.0, 120.0, 120.0))
    put(out[1], state[X], PADDLE_Y, state[X] + PADDLE_WIDTH, PADDLE_Y + PADDLE_HEIGHT, (255.0, 255.0, 255.0))


@dataclass(frozen=True)
class Catcher:
    """Catcher: a paddle at the bottom catches what falls; after three misses the game is over.

    A catch pays 1, a miss −1, and the third miss 5 less. Observed are the paddle's place (0 to 1) and speed
    (−1 to 1), and the fruit's place.
    """

    velocity: float = 0.608
    """How fast the fruit falls, in pixels of 640 a millisecond; a frame has 33⅓ of those."""
    mirrored: bool = False
    """Whether left is right."""
    dodge: bool = False
    """Whether a catch counts as a miss, and a miss as a catch."""

    rules: ClassVar[Rules] = Rules(
        actions=("left", "right", "none"),
        size=(SIZE, SIZE),
        state=5,
        low=(0.0, -1.0, 0.0, -0.5),
        high=(1.0, 1.0, 1.0, 2.0),
        reset=reset,
        step=step,
        observe=observe,
        rectangles=rectangles,
        shapes=2,
        parts=(drop, is_caught, put, uniform),
    )

    def __post_init__(self) -> None:
        positive(velocity=self.velocity)
        true_or_false(mirrored=self.mirrored, dodge=self.dodge)
        if self.velocity * FRAME > SIZE:
            raise InputError(f"velocity must be at most {SIZE / FRAME:g}, a picture a frame, not {self.velocity}")
