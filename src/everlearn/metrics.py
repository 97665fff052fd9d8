"""What is measured: scores of predictions, and the measures of an accuracy matrix.

An accuracy matrix R of T tasks has T + 1 rows: row 0 is the untrained model, row i the
model after i tasks; column j is the test accuracy on task j, counted from 0. Cells that
were not measured are NaN.
"""

import numpy as np
from torch import Tensor

from everlearn.types import Batch, column

Matrix = np.ndarray


def correct(output: Tensor, batch: Batch) -> Tensor:
    """Whether the highest output is the label's.

    Args:
        output: (rows, classes).
        batch: with `y`, (rows,) integer labels.

    Returns:
        (rows,) 1.0 or 0.0.
    """
    return (output.argmax(1) == column(batch, "y", "accuracy").to(output.device)).float()


def retained_accuracy(matrix: Matrix) -> float:
    """RA: the mean accuracy on all tasks after the last (Riemer et al. 2019, section 4).

    >>> retained_accuracy(np.array([[0.1, 0.1], [0.9, 0.2], [0.5, 0.7]]))
    0.6
    """
    return float(matrix[-1].mean())


def learning_accuracy(matrix: Matrix) -> float:
    """LA: the mean accuracy on each task right after it was learned.

    >>> learning_accuracy(np.array([[0.1, 0.1], [0.9, 0.2], [0.5, 0.7]]))
    0.8
    """
    return float(np.diagonal(matrix[1:]).mean())


def backward_transfer(matrix: Matrix) -> float:
    """BTI, backward transfer and interference: RA − LA, so a mean over all T tasks.

    >>> round(backward_transfer(np.array([[0.1, 0.1], [0.9, 0.2], [0.5, 0.7]])), 10)
    -0.2
    """
    return retained_accuracy(matrix) - learning_accuracy(matrix)


def forward_transfer(matrix: Matrix) -> float:
    """FTI: what earlier tasks gave to each before it was learned, over the untrained model.

    The sum over all tasks but the first, divided by T as the paper's code does
    (Lopez-Paz and Ranzato 2017 divide by T − 1).

    >>> round(forward_transfer(np.array([[0.1, 0.1], [0.9, 0.2], [0.5, 0.7]])), 10)
    0.05
    """
    tasks = matrix.shape[1]
    gains = np.diagonal(matrix[1:], 1) - matrix[0, 1:]
    return float(gains.sum() / tasks)


def forgetting(matrix: Matrix) -> float:
    """The mean loss from each task's best accuracy to its last (Chaudhry et al. 2018, equation 3).

    Needs the whole matrix; over all tasks but the last, so 0 for a single one.

    >>> round(forgetting(np.array([[0.1, 0.1], [0.9, 0.2], [0.5, 0.7]])), 10)
    0.4
    """
    if matrix.shape[1] == 1:
        return 0.0
    best = matrix[1:-1, :-1].max(axis=0)
    return float((best - matrix[-1, :-1]).mean())
