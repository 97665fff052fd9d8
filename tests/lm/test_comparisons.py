"""What is compared on texts."""

import pytest

import everlearn as el
from everlearn.lm.comparisons import COMPARISONS, SMALL, comparison


@pytest.mark.parametrize("name", COMPARISONS)
def test_each_arm_runs_on_each_schedule_with_the_comparison_s_settings(name):
    own, runs = COMPARISONS[name], comparison(name, seed=3)
    assert len(runs) == len(own.arms) * len(own.schedules)
    assert {(run.arm, run.schedule) for run in runs} == {(a, s) for a in own.arms for s in own.schedules}
    assert all(getattr(run, key) == value for run in runs for key, value in own.settings.items())
    assert {run.seed for run in runs} == {3}
    assert len({run.folder() for run in runs}) == len(runs)


def test_a_small_memory_is_a_hundredth_of_what_is_read():
    own = comparison("few", ("replay 25 %",))[0]
    assert own.memory == SMALL
    assert pytest.approx(own.length * (own.batch - own.method.replayed), rel=0.03) == SMALL * 100


def test_what_is_not_there_is_refused():
    with pytest.raises(el.InputError, match="there is no comparison words; there are: bytes, few"):
        comparison("words")
    with pytest.raises(el.InputError, match="few has no arm 'plain'; it has: replay 5 %"):
        comparison("few", ("plain",))
