"""What is observed of a game: numbers or grey pictures, of one frame or of the last few."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Space

from everlearn.ranges import at_least, number
from everlearn.rl.rules import Rules
from everlearn.types import InputError


@dataclass(frozen=True)
class View:
    """What is observed of a game."""

    pixels: int | None = None
    """Height and width of the grey picture, in bytes; by default there are the numbers that the game's class names."""
    stack: int = 1
    """Frames that are observed together, the newest last; an episode begins with its first one so often."""
    cue: float | None = None
    """A number from −1 to 1 beside the others, such as which of two tasks it is; by default there is none."""

    def __post_init__(self) -> None:
        at_least(1, stack=self.stack)
        if self.pixels is not None:
            at_least(1, pixels=self.pixels)
            if self.cue is not None:
                raise InputError("a cue is observed beside numbers: there is no place for it in a picture")
        if self.cue is not None and not -1 <= number("cue", self.cue) <= 1:
            raise InputError(f"cue must be from -1 to 1, not {self.cue}")

    def space(self, rules: Rules) -> Box:
        """The space of what is observed: (…), or (stack, …) where there are several frames."""
        if self.pixels is None:
            cue = [] if self.cue is None else [1]
            low, high = np.array([*rules.low, *(-1 for _ in cue)]), np.array([*rules.high, *cue])
            frame = Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)
        else:
            frame = Box(0, 255, (self.pixels, self.pixels), np.uint8)
        if self.stack == 1:
            return frame
        return Box(np.stack([frame.low] * self.stack), np.stack([frame.high] * self.stack), dtype=frame.dtype.type)

    def room(self, rules: Rules) -> tuple[int, ...]:
        """The shape of the floats that `look` fills: always (stack, …)."""
        shape = self.space(rules).shape
        return shape if self.stack > 1 else (1, *shape)

    def draw(self, rules: Rules, paint: Callable[..., None]) -> Callable[..., None]:
        """`draw(state, settings, out)`: one frame into zeros; `paint` is that of `paint.py`, or the same compiled."""
        return rules.observe if self.pixels is None else picture(rules, paint)

    def look(self, draw: Callable[..., None]) -> Callable[..., None]:
        """`look(state, settings, out, first)`: one frame more behind those in `out`, or the first of an episode."""
        stack, told, cue = self.stack, self.cue is not None, self.cue or 0.0

        def look(state: np.ndarray, settings: np.ndarray, out: np.ndarray, first: bool) -> None:
            for i in range(stack - 1):
                out[i] = out[i + 1]
            new = out[stack - 1]
            new[:] = 0
            draw(state, settings, new)
            if told:
                new[-1] = cue
            if first:
                for i in range(stack - 1):
                    out[i] = new

        return look


def picture(rules: Rules, paint: Callable[..., None]) -> Callable[..., None]:
    """`see(state, settings, out)` that paints into out, (height, width) or (height, width, 3)."""
    rectangles, shapes, size = rules.rectangles, rules.shapes, rules.size

    def see(state: np.ndarray, settings: np.ndarray, out: np.ndarray) -> None:
        drawn = np.zeros((shapes, 7))
        rectangles(state, settings, drawn)
        paint(drawn, size, out.reshape(out.shape[0], out.shape[1], -1))

    return see


def as_in(space: Space[Any], seen: np.ndarray) -> np.ndarray:
    """A copy of what was seen, floats, in the form that a space has it."""
    return (np.rint(seen) if space.dtype == np.uint8 else seen).astype(space.dtype).reshape(space.shape or ())
