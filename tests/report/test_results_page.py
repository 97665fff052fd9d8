"""The numbers in README and docs are those of the committed records."""

from pathlib import Path
from statistics import fmean, stdev

import pytest
from scipy.special import stdtrit

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


def test_experience_replay_on_25_seeds():
    more = read_results([ROOT / "experiments/rotations-200-er"])
    runs = [*RESULTS["er"].runs, *more[0].runs]
    assert [run.config["seed"] for run in runs] == list(range(25))
    values = [100 * retained_accuracy(run.matrix) for run in runs]
    mean, deviation = fmean(values), stdev(values)
    # Two samples of 25 with like deviations: Welch's degrees of freedom are 45.7.
    half = stdtrit(45.7, 0.995) * ((deviation**2 + 1.19**2) / 25) ** 0.5
    page = (ROOT / "docs/results/rotations-200.md").read_text()
    assert f"RA {mean:.2f}, standard deviation {deviation:.2f}" in page
    assert f"difference is −{70.79 - mean:.2f} with a 99 % interval (Welch) of ± {half:.2f}" in page
