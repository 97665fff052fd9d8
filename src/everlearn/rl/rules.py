"""What a game is: plain functions on arrays of numbers.

The single environment calls them as they are, the vectorised one has numba compile them; so the two
are equal frame by frame. A game's state is one row of floats, its settings another, and its chance a
row of uniform numbers drawn beforehand, of which the first element says how many are used up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

DRAWN = 63
"""Uniform numbers drawn at once."""

MOST = 8
"""At least as many as a reset or a frame of any game uses up."""


@dataclass(frozen=True)
class Rules:
    """A game."""

    actions: tuple[str, ...]
    """What each action does, in the actions' order."""
    size: tuple[int, int]
    """Height and width of its picture, in pixels; it is black where nothing is."""
    state: int
    """How many numbers are in its state."""
    low: tuple[float, ...]
    """The least that is observed, for each number."""
    high: tuple[float, ...]
    """The most."""
    reset: Callable[..., None]
    """`reset(state, chance, settings)`: a new episode."""
    step: Callable[..., tuple[float, bool]]
    """`step(state, chance, settings, action)`: one frame; its reward, and whether the episode ended."""
    observe: Callable[..., None]
    """`observe(state, settings, out)`: what is to be seen, as numbers of about 1."""
    rectangles: Callable[..., None]
    """`rectangles(state, settings, out)`: what is in the picture, as `paint` takes it, (shapes, 7)."""
    shapes: int
    """How many rectangles there are."""
    parts: tuple[Callable[..., Any], ...]
    """The functions that these call."""


def uniform(chance: np.ndarray, below: int) -> int:
    """A whole number from 0 to below − 1, from the numbers drawn beforehand."""
    used = int(chance[0])
    chance[0] = used + 1
    return int(chance[1 + used] * below)


def no_chance() -> np.ndarray:
    """A row of which everything is used up."""
    chance = np.zeros(1 + DRAWN)
    chance[0] = DRAWN
    return chance


def is_low(chance: np.ndarray) -> np.ndarray:
    """Whether there may be too few numbers left for another frame; of one row, or of each of many."""
    return chance[..., 0] > DRAWN - MOST


def refill(chance: np.ndarray, generator: np.random.Generator) -> None:
    """Draw all numbers anew."""
    chance[0] = 0
    chance[1:] = generator.random(DRAWN)
