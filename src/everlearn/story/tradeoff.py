"""The transfer-interference trade-off, measured: how far the gradients of tasks agree."""

from dataclasses import dataclass
from statistics import fmean

import torch

from everlearn.alignment import Meter, task_matrix
from everlearn.batches import join
from everlearn.experiment import Experiment
from everlearn.methods import ER, MER, Online
from everlearn.streams import Rotations
from everlearn.types import Batch, Method

STREAM = Rotations(tasks=8, examples=500)
AFTER = (2, 5, 8)
"""After how many tasks the matrix is measured."""
ROWS = 25
"""Test rows of each task for the matrix."""

LEARNERS: dict[str, tuple[Method, float]] = {
    "plain learning": (Online(), 0.01),
    "ER": (ER(10), 0.1),
    "MER": (MER(beta=0.03), 0.1),
}
"""Each with its learning rate."""


@dataclass(frozen=True)
class Microscope:
    """What was seen of one method."""

    matrices: list[list[list[float]]]
    """Mean cosines between the gradients of each two tasks' test rows, after the tasks of `AFTER`."""
    cosines: list[float]
    """Between each tenth new row, before it was learned, and 5 old rows."""
    over_time: list[tuple[int, float]]
    """For each task, where it ends and the mean of these."""
    dots: dict[str, float]
    """The mean dot product of such gradients "before" a row was learned, and "after"."""


def look(name: str) -> Microscope:
    """Run one of `LEARNERS` under the microscope."""
    method, lr = LEARNERS[name]
    learner = Experiment(STREAM, method, memory=200, lr=lr).learner()
    meter, rows = Meter(learner), some_test_rows()
    matrices, over_time, cosines = [], [], []
    dots: dict[str, list[float]] = {"before": [], "after": []}
    for task in range(STREAM.tasks):
        for batch in STREAM.train(task):
            meter.learn(batch)
        read = [value for one in meter.readings for value in one.cosine if (one.when, one.old) == ("before", "history")]
        over_time.append(((task + 1) * STREAM.examples, sum(read) / len(read)))
        cosines += read
        for one in meter.readings:
            if one.old == "history":
                dots[one.when] += one.dot
        meter.readings.clear()
        if task + 1 in AFTER:
            matrices.append(task_matrix(learner, rows).cosine.tolist())
    return Microscope(matrices, cosines, over_time, {when: fmean(values) for when, values in dots.items()})


def some_test_rows() -> Batch:
    """A few test images of each task, no image twice."""
    parts = []
    for task in range(STREAM.tasks):
        chosen = torch.arange(ROWS) * 400 + task
        parts.append({name: values[chosen] for name, values in STREAM.test(task).items()})
    return join(*parts)
