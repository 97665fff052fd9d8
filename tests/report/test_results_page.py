"""The numbers in README and docs are those of the committed records."""

from pathlib import Path

import equal_compute
import mnist
import optimizers
import pages
import paper
import pytest

from everlearn import presets
from everlearn.metrics import retained_accuracy

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", pages.TABLES)
def test_tables(name):
    page, table = pages.TABLES[name]
    stands = pages.between(name).search((ROOT / page).read_text())
    assert stands
    assert stands[0] == table()


@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS)
@pytest.mark.parametrize("cell", optimizers.MNIST_CELLS)
def test_the_searched_rates_are_those_that_retain_the_most(optimizer, cell):
    retained = optimizers.means(optimizer, *cell)
    assert presets.CHOSEN[cell][f"task-er-{optimizer}"].lr == max(retained, key=retained.get)


@pytest.fixture(scope="module")
def results():
    return {
        (one.stream, one.method, one.config["memory"]): one
        for one in mnist.of_paper()
        if one.stream in mnist.STREAMS and one.method in mnist.METHODS
    }


def test_every_setting_of_the_paper_has_five_seeds(results):
    assert len(results) == 43
    for result in results.values():
        assert result.as_in_paper
        assert result.seeds == [0, 1, 2, 3, 4]


def test_the_findings_are_those_that_the_page_discusses(results):
    assert {key: mnist.findings(one) for key, one in results.items() if mnist.findings(one)} == {
        ("many-permutations", "online", 500): ["RA"],
        ("permutations", "online", 200): ["LA", "BTI"],
        ("permutations", "mer", 200): ["LA"],
    }


def test_the_findings_are_those_that_the_paper_s_page_discusses():
    assert paper.findings() == {
        ("rotations", "online", None): ["FTI"],
        ("rotations", "ewc", None): ["LA", "BTI", "FTI"],
        ("permutations", "online", None): ["LA", "BTI"],
        ("permutations", "ewc", None): ["LA", "BTI"],
        ("permutations", "mer", 200): ["LA"],
        ("many-permutations", "online", None): ["RA of 25"],
        ("many-permutations", "ewc", None): ["RA of 25"],
        ("rotations", "task-er-adam", 500): ["RA"],
        ("rotations", "task-er-rmsprop", 500): ["RA"],
        ("permutations", "task-er-adam", 200): ["RA"],
        ("permutations", "task-er-rmsprop", 500): ["RA"],
        ("permutations", "task-er-rmsprop", 200): ["RA"],
        ("many-permutations", "task-er-adam", 500): ["RA"],
        ("many-permutations", "task-er-rmsprop", 500): ["RA"],
        ("rotations", "gem-reservoir", 5120): ["RA"],
        ("rotations", "gem-reservoir", 500): ["RA"],
        ("rotations", "gem-reservoir", 200): ["RA"],
        ("many-permutations", "gem-reservoir", 5120): ["RA"],
        ("many-permutations", "gem-reservoir", 500): ["RA"],
        ("permutations", "task-er-ring", 5120): ["RA"],
        ("many-permutations", "task-er-ring", 5120): ["RA"],
        ("omniglot", "online", None): ["RA", "LA", "BTI"],
        ("omniglot", "mer", 5120): ["RA", "BTI"],
    }


@pytest.mark.parametrize("method", ["mer", "er", "online"])
def test_readme(results, method):
    result = results["rotations", method, 200]
    ours, theirs = result.measure(retained_accuracy), result.published.ra
    numbers = f"{ours.mean:.2f} ± {ours.half:.2f} | {theirs.mean:.2f} ± {theirs.deviation:.2f}"
    assert f"{numbers} | {result.runs[0].steps:,}" in (ROOT / "README.md").read_text()


def test_readme_on_equal_compute():
    setting = equal_compute.Setting("rotations", 200)
    replay, mer = equal_compute.sequential_runs(setting, 5), equal_compute.mer_runs(setting)
    means = [one.measure(retained_accuracy).mean for one in (replay, mer)]
    text = " ".join((ROOT / "README.md").read_text().split())
    assert f"retains {means[0]:.2f} where MER retains {means[1]:.2f} (10 seeds each)" in text
    assert replay.seeds == mer.seeds == list(range(10))
