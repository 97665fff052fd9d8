"""Pictures of a game, at any size, from rectangles."""

from collections.abc import Callable
from functools import cache

import numpy as np


def put(
    row: np.ndarray, left: float, top: float, right: float, bottom: float, colour: tuple[float, float, float]
) -> None:
    """Write a rectangle into a row of seven numbers."""
    row[0], row[1], row[2], row[3] = left, top, right, bottom
    row[4], row[5], row[6] = colour


def paint(rectangles: np.ndarray, size: tuple[int, int], out: np.ndarray) -> None:
    """Paint rectangles over a picture, each pixel by the share of it that is covered.

    Args:
        rectangles: (n, 7) left, top, right, bottom, red, green and blue; later ones cover earlier ones.
        size: height and width that the rectangles are measured in.
        out: (height, width, 3 or 1) floats, the picture over which they go, in colours or in grey.
    """
    height, width, colours = out.shape
    for i in range(len(rectangles)):
        left, right = rectangles[i, 0] * width / size[1], rectangles[i, 2] * width / size[1]
        top, bottom = rectangles[i, 1] * height / size[0], rectangles[i, 3] * height / size[0]
        grey = 0.21 * rectangles[i, 4] + 0.72 * rectangles[i, 5] + 0.07 * rectangles[i, 6]
        for y in range(max(0, int(np.floor(top))), min(height, int(np.ceil(bottom)))):
            rows = min(bottom, y + 1.0) - max(top, float(y))
            for x in range(max(0, int(np.floor(left))), min(width, int(np.ceil(right)))):
                share = rows * (min(right, x + 1.0) - max(left, float(x)))
                for c in range(colours):
                    tone = rectangles[i, 4 + c] if colours == 3 else grey
                    out[y, x, c] += share * (tone - out[y, x, c])


@cache
def compiled() -> Callable[..., None]:
    """`paint` compiled."""
    from numba import njit  # noqa: PLC0415

    return njit(paint)
