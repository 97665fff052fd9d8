"""The measures, on a matrix worked by hand."""

import numpy as np
import pytest
import torch

from everlearn import metrics

#       task:     0    1    2
MATRIX = np.array(
    [
        [0.1, 0.2, 0.1],  # untrained
        [0.9, 0.3, 0.2],  # after task 0
        [0.7, 0.8, 0.4],  # after task 1
        [0.6, 0.9, 0.7],  # after task 2
    ]
)


def test_the_measures():
    assert metrics.retained_accuracy(MATRIX) == pytest.approx((0.6 + 0.9 + 0.7) / 3)
    assert metrics.learning_accuracy(MATRIX) == pytest.approx((0.9 + 0.8 + 0.7) / 3)
    assert metrics.backward_transfer(MATRIX) == pytest.approx((-0.3 + 0.1 + 0) / 3)
    assert metrics.forward_transfer(MATRIX) == pytest.approx(((0.3 - 0.2) + (0.4 - 0.1)) / 3)
    assert metrics.forgetting(MATRIX) == pytest.approx(((0.9 - 0.6) + (0.8 - 0.9)) / 2)


def test_what_was_not_measured_spoils_only_what_needs_it():
    final = MATRIX.copy()
    final[1, 2] = final[2, 0] = np.nan
    for measure in (metrics.retained_accuracy, metrics.backward_transfer, metrics.forward_transfer):
        assert measure(final) == pytest.approx(measure(MATRIX))
    assert np.isnan(metrics.forgetting(final))


def test_correct():
    output = torch.tensor([[0.0, 1.0], [2.0, 1.0]])
    assert metrics.correct(output, {"y": torch.tensor([1, 1])}).tolist() == [1, 0]


def test_of_a_single_task_nothing_is_forgotten():
    assert metrics.forgetting(MATRIX[:2, :1]) == 0.0
