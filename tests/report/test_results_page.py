"""The numbers in README and docs are those of the committed records."""

from pathlib import Path

import pytest

from everlearn.metrics import backward_transfer, learning_accuracy, retained_accuracy
from everlearn.report import read_results

ROOT = Path(__file__).parents[2]
RESULTS = {result.method: result for result in read_results([ROOT / "experiments/rotations-200"])}


def cell(result, metric):
    value = result.measure(metric)
    return f"{value.mean:.2f} ± {value.half:.2f}".replace("-", "−")


@pytest.mark.parametrize("method", ["mer", "er", "online"])
def test_rotations_200(method):
    result, page = RESULTS[method], (ROOT / "docs/results/rotations-200.md").read_text()
    assert result.seeds == [0, 1, 2, 3, 4]
    assert result.as_in_paper
    cells = [cell(result, metric) for metric in (retained_accuracy, learning_accuracy, backward_transfer)]
    seconds = sum(run.seconds for run in result.runs) / 5
    assert " | ".join([*cells, f"{result.runs[0].steps:,}", f"{seconds:.1f}"]) in page
    readme = (ROOT / "README.md").read_text()
    paper = f"{result.published.ra.mean:.2f} ± {result.published.ra.deviation:.2f}"
    assert f"{cells[0]} | {paper} | {result.runs[0].steps:,}" in readme
