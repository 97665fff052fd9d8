"""Flappy Bird: a bird falls, each flap lifts it, and pipes with a gap in them come from the right.

The game of the PyGame Learning Environment (Tasfi 2016), as Riemer et al. 2019 use it (section 5,
appendix N): its constants and the order of its steps.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from everlearn.ranges import number, true_or_false
from everlearn.rl.paint import put
from everlearn.rl.rules import Rules, uniform
from everlearn.types import InputError

WIDTH, HEIGHT = 288, 512
BIRD_X, BIRD_WIDTH, BIRD_HEIGHT = 57, 34, 24
PIPE_WIDTH, HALF_PIPE = 52, 26
GROUND = 404.48
LOWEST = GROUND - BIRD_HEIGHT
FASTEST, LIFT, PIPE_SPEED = 10, 9, 4
HIGHEST_GAP = 320
"""Beyond, there would be no place left for it."""
BEHIND = 397.6
"""Where a pipe that left the picture comes in again."""

Y, SPEED, LIFTED, FLAPPED, PIPES = range(5)
"""Places in the state. From PIPES on: where the middle of each pipe is, then where each one's gap begins."""

GAP, KEEP_SPEED, UPSIDE_DOWN = range(3)
"""Places in the settings."""


def new_gap(chance: np.ndarray, settings: np.ndarray) -> int:
    """Where a new pipe's gap begins, so that it is well within the picture."""
    first, last = highest_gap(settings[GAP]), lowest_gap(settings[GAP])
    return first + uniform(chance, last - first + 1)


def highest_gap(gap: float) -> int:
    """The least y at which a gap of so many pixels begins."""
    return int(gap / 4)


def lowest_gap(gap: float) -> int:
    """The greatest y at which a gap of so many pixels begins."""
    return int(0.6 * GROUND - gap / 2)


def reset(state: np.ndarray, chance: np.ndarray, settings: np.ndarray) -> None:
    """The bird in the middle, in a flap; three pipes to the right of the picture.

    Its speed is 0; with KEEP_SPEED it is that of the last episode's end, so that the first flap after
    a fall fails, as in the game that the paper used.
    """
    if not settings[KEEP_SPEED]:
        state[SPEED] = 0
    state[Y], state[LIFTED], state[FLAPPED] = HEIGHT // 2, 0, 1
    for i in range(3):
        state[PIPES + i] = WIDTH + PIPE_WIDTH + i * (WIDTH // 2)
        state[PIPES + 3 + i] = new_gap(chance, settings)


def step(state: np.ndarray, chance: np.ndarray, settings: np.ndarray, action: int) -> tuple[float, bool]:
    """One frame: what the bird met is counted where it was, then bird and pipes move."""
    if action == 0 and state[Y] > -2 * BIRD_HEIGHT:
        state[SPEED], state[FLAPPED] = 0, 1
    reward, dead = 0.0, not 0 < state[Y] < LOWEST
    for i in range(3):
        pipe, top = state[PIPES + i], state[PIPES + 3 + i]
        if is_beside(pipe) and (state[Y] <= top or state[Y] + BIRD_HEIGHT > top + settings[GAP]):
            dead = True
        if BIRD_X - PIPE_SPEED < pipe - HALF_PIPE <= BIRD_X:
            reward += 1
        if pipe < -PIPE_WIDTH:
            state[PIPES + i], state[PIPES + 3 + i] = BEHIND, new_gap(chance, settings)

    if state[SPEED] < FASTEST and not state[LIFTED]:
        state[SPEED] += 1
    if state[FLAPPED] and not state[LIFTED]:
        state[SPEED] -= LIFT
        state[LIFTED] = 1
    else:
        state[LIFTED] = state[FLAPPED] = 0
    state[Y] += state[SPEED]
    for i in range(3):
        state[PIPES + i] -= PIPE_SPEED
    return (reward - 5, True) if dead else (reward, False)


def is_beside(pipe: float) -> bool:
    """Whether a pipe, by its middle, can hit the bird, which is taken to be centred on its x."""
    return BIRD_X - HALF_PIPE < pipe < BIRD_X + BIRD_WIDTH // 2 + HALF_PIPE


def nearest(state: np.ndarray, x: float) -> int:
    """The pipe whose middle is the next one beyond x."""
    best = -1
    for i in range(3):
        if state[PIPES + i] > x and (best < 0 or state[PIPES + i] < state[PIPES + best]):
            best = i
    return best


def observe(state: np.ndarray, settings: np.ndarray, out: np.ndarray) -> None:
    """The bird's place and speed; of the next two pipes the distance to their end, and the gap's top and bottom.

    Heights in parts of the picture's, distances in parts of its width, the speed in parts of the highest. Upside
    down they are turned about the middle of all gaps, so that these are where they are otherwise.
    """
    flipped = settings[UPSIDE_DOWN] != 0
    turn = highest_gap(settings[GAP]) + lowest_gap(settings[GAP]) + settings[GAP]
    out[0] = (turn - BIRD_HEIGHT - state[Y] if flipped else state[Y]) / HEIGHT
    # Where the last episode ended in a rise whose speed is kept, the first flap adds to it.
    speed = min(2.0, max(-2.0, state[SPEED] / FASTEST))
    out[1] = -speed if flipped else speed
    middle = float(BIRD_X - HALF_PIPE)
    for which in range(2):
        i = nearest(state, middle)
        middle = state[PIPES + i]
        top, bottom = state[PIPES + 3 + i], state[PIPES + 3 + i] + settings[GAP]
        out[2 + 3 * which] = (middle + HALF_PIPE - BIRD_X) / WIDTH
        out[3 + 3 * which] = (turn - bottom if flipped else top) / HEIGHT
        out[4 + 3 * which] = (turn - top if flipped else bottom) / HEIGHT


def rectangles(state: np.ndarray, settings: np.ndarray, out: np.ndarray) -> None:
    """Upper and lower pipes, the ground, and the bird."""
    green = (80.0, 190.0, 60.0)
    for i in range(3):
        left, top = state[PIPES + i] - HALF_PIPE, state[PIPES + 3 + i]
        put(out[2 * i], left, 0, left + PIPE_WIDTH, top, green)
        put(out[2 * i + 1], left, top + settings[GAP], left + PIPE_WIDTH, GROUND, green)
    put(out[6], 0, GROUND, WIDTH, HEIGHT, (220.0, 215.0, 150.0))
    put(out[7], BIRD_X, state[Y], BIRD_X + BIRD_WIDTH, state[Y] + BIRD_HEIGHT, (250.0, 200.0, 40.0))
    if settings[UPSIDE_DOWN]:
        for i in range(8):
            out[i, 1], out[i, 3] = HEIGHT - out[i, 3], HEIGHT - out[i, 1]


@dataclass(frozen=True)
class FlappyBird:
    """Flappy Bird: a bird falls, each flap lifts it, and pipes with a gap in them come from the right.

    A pipe that is passed pays 1, the end −5. Observed are the bird's place and speed, and of the next two
    pipes how far their end is, and where their gap begins and ends.
    """

    pipe_gap: int = 100
    """Height of the gaps, in pixels of 512; the bird has 24."""
    keep_speed: bool = False
    """Whether an episode begins with the speed of the last one's end, as in the game that the paper used:
    the first flap after a fall then fails. Otherwise it begins with none."""
    upside_down: bool = False
    """Whether the picture, and what is observed, is turned upside down."""

    rules: ClassVar[Rules] = Rules(
        actions=("flap", "none"),
        size=(HEIGHT, WIDTH),
        state=PIPES + 6,
        low=(-1.0, -2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        high=(2.0, 2.0, 3.0, 1.0, 1.0, 3.0, 1.0, 1.0),
        reset=reset,
        step=step,
        observe=observe,
        rectangles=rectangles,
        shapes=8,
        parts=(new_gap, highest_gap, lowest_gap, is_beside, nearest, put, uniform),
    )

    def __post_init__(self) -> None:
        true_or_false(keep_speed=self.keep_speed, upside_down=self.upside_down)
        if not BIRD_HEIGHT < number("pipe_gap", self.pipe_gap) <= HIGHEST_GAP:
            raise InputError(f"pipe_gap must be above {BIRD_HEIGHT} and at most {HIGHEST_GAP}, not {self.pipe_gap}")
