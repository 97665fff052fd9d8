"""The stability-plasticity dilemma: to learn the new is to lose the old, unless the old comes back."""

from dataclasses import dataclass

import numpy as np

from everlearn.experiment import Experiment
from everlearn.methods import ER, EWC, MER, Online
from everlearn.metrics import learning_accuracy
from everlearn.run import Evaluation, Tested, run
from everlearn.streams import Rotations

STREAM = Rotations(tasks=5, examples=500)


@dataclass(frozen=True)
class Point:
    """One setting of one method."""

    method: str
    knob: str
    """What was turned, and how far."""
    plasticity: float
    """Mean accuracy on each task right after learning it."""
    stability: float
    """How much of that is left at the end: the mean ratio over all tasks but the last."""


def sweep() -> dict[str, list[tuple[str, Experiment]]]:
    """Each method's settings, from least to most plastic: what was turned, and the run."""
    return {
        "plain learning": [
            (f"rate {lr:g}", Experiment(STREAM, Online(), lr=lr)) for lr in (3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1)
        ],
        "EWC": [
            # At a rate of 0.01; from 1,000 on its steps overshoot and diverge.
            (f"strength {strength}", Experiment(STREAM, EWC(float(strength)), lr=0.01))
            for strength in (300, 100, 30, 10)
        ],
        "ER": [(f"{rows} rows", Experiment(STREAM, ER(10), memory=rows, lr=0.1)) for rows in (50, 200, 1000)],
        "MER": [(f"{rows} rows", Experiment(STREAM, MER(beta=0.03), memory=rows, lr=0.1)) for rows in (50, 200, 1000)],
    }


def point(method: str, knob: str, experiment: Experiment) -> Point:
    """Run one setting and place it."""
    events = run(experiment.learner(), experiment.stream, Evaluation())
    matrix = np.array([event.accuracy for event in events if isinstance(event, Tested)], float)
    return Point(method, knob, learning_accuracy(matrix), stability(matrix))


def stability(matrix: np.ndarray) -> float:
    """How much of each task but the last is left at the end, of the accuracy right after it was learned.

    >>> stability(np.array([[0.1, 0.1, 0.1], [0.8, 0.2, 0.1], [0.6, 0.9, 0.1], [0.4, 0.9, 0.9]]))
    0.75
    """
    learned = np.diagonal(matrix[1:])[:-1]
    return float((matrix[-1, :-1] / learned).mean())
