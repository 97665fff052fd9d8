"""The numbers in README and docs are those of the committed records."""

import math
import re
from pathlib import Path
from types import SimpleNamespace

import equal_compute
import games
import games_search
import language_search
import mnist
import numpy as np
import optimizers
import pages
import paper
import pytest

from everlearn import presets
from everlearn.lm.comparisons import RATES
from everlearn.metrics import retained_accuracy
from everlearn.rl.arms import ARMS
from everlearn.rl.comparisons import STEP

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


def test_the_games_have_the_step_that_was_searched():
    for game in games_search.GAMES["numbers"]:
        assert {games_search.best("numbers", game, arm) for arm in ARMS.values()} == {STEP}
    assert games_search.best_in_common("pictures", "catcher") == STEP


def test_the_language_models_have_the_rates_that_were_searched():
    for memory, schedule, name in language_search.searches():
        assert RATES[memory, schedule][name] == language_search.best(memory, schedule, name)


def test_a_search_goes_on_while_the_best_rate_is_the_last_on_one_side():
    losses = dict.fromkeys(language_search.RATES, 2.0) | {0.01: 1.0}
    assert language_search.missing({0.005: 1.0}) == [0.000625, 0.00125, 0.0025, 0.01, 0.02]
    assert language_search.missing(losses) == []
    assert language_search.missing(losses | {0.02: 0.5}) == [0.04]
    assert language_search.missing(losses | {0.02: 0.5, 0.04: math.inf}) == []
    assert language_search.missing(losses | {0.000625: 0.5}) == [0.0003125]
    assert language_search.missing(losses | {0.000625: 0.5, 0.0003125: 0.4}) == []


def life(scores, seed=0, tasks=(0, 1, 0)):
    """Six trials, two in the training of each task; tasks of one number are alike."""
    scores = np.array(scores, float)
    return SimpleNamespace(
        config={"seed": seed, "tasks": [{"kind": kind} for kind in tasks]},
        experiment=SimpleNamespace(frames=10, sequence="catcher-mirrored-again"),
        frames=np.arange(5, 31, 5),
        trials=[{"task": i // 2} for i in range(6)],
        scores=scores,
        end=float(scores[-2:].mean()),
        at_end=lambda values: values[-2:].mean(0),
    )


def test_what_is_left_of_the_first_game_by_hand():
    """Its best in its own training is 16 above the least; a task like it, which comes later, is not another."""
    own = life([[8, 0, 0], [0, 0, 0], [-4, 9, 0], [-8, 9, 0], [50, 9, 0], [50, 9, 0]])
    assert games._left([own], games.FIRST) == 50
    assert games._left([own], games.OTHERS) == 12.5
    assert games._meanwhile(own) == -6
    little = life([[-7, 0, 0]] * 6)
    assert games._left([own, little], games.OTHERS) == 100 * (2 + 1) / (16 + 1)
    assert games._left([little], games.OTHERS) is None


def test_the_readme_s_numbers_of_games_are_those_of_the_records():
    arms = {one.name: one for one in games.arms("odds", "catcher-dodge")}
    left = {name: games._left(one.runs, games.OTHERS) for name, one in arms.items()}
    assert {len(one.runs) for one in arms.values()} == {10}
    readme = " ".join((ROOT / "README.md").read_text().split())
    told = "Over ten, {dqn:.0f} % of the catching is left to the usual DQN while it learns to dodge, {kept:.0f} % to"
    assert told.format(dqn=left["dqn"], kept=left["dqn-reservoir"]) in readme
    assert f"and {left['dqn-mer']:.0f} % to DQN-MER" in readme


def test_of_several_differences_those_that_stand_are_bold(monkeypatch):
    def arm(name, gain):
        runs = [life([[0, 0, 0]] * 4 + [[gain + seed / 9] * 3] * 2, seed) for seed in range(4)]
        return SimpleNamespace(name=name, runs=runs, seeds=[0, 1, 2, 3])

    mer, plain = arm("dqn-mer", 5), arm("dqn", 0)
    near = arm("sequential", 5)
    near.runs[0].end -= 0.1
    monkeypatch.setattr(games, "arms", lambda *_: [plain, near, mer])
    first, second = games.differences("turned").splitlines()[2:]
    assert first.startswith("| flappy-bird-turned | DQN, last transitions | 4 | **+5.0 ± 0.0** | +5.0")
    assert "**" not in second


def test_each_figure_that_is_drawn_is_shown():
    drawn = [name for drawn in pages.DRAWINGS for name in drawn()]
    texts = "\n".join(page.read_text() for page in ROOT.glob("docs/**/*.md"))
    assert sorted(re.findall(r":file: figures/(.+)", texts)) == sorted(drawn)


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
