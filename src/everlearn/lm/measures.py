"""What is measured of a model that reads one text after another, as Abbes et al. 2026 define it."""

import numpy as np


def retained(losses: np.ndarray) -> float:
    """The mean loss over all texts at the end.

    Args:
        losses: (tests, texts), from the beginning.
    """
    return float(losses[-1].mean())


def learned(losses: np.ndarray, ends: np.ndarray) -> float:
    """The mean over texts of the loss on each right after it was read.

    Args:
        losses: (tests, texts).
        ends: (texts,) which test was the last of each text's own reading.
    """
    return float(losses[ends, np.arange(losses.shape[1])].mean())


def forgotten(losses: np.ndarray) -> float:
    """How much higher the loss is at the end than at its lowest before, the mean over all texts but the last.

    Below zero where what came later made it lower still.

    Args:
        losses: (tests, texts).

    >>> forgotten(np.array([[3.0, 3.0], [1.0, 3.0], [1.5, 2.0]]))
    0.5
    """
    lost = losses[-1] - losses[:-1].min(0)
    return float(lost[:-1].mean()) if len(lost) > 1 else 0.0
