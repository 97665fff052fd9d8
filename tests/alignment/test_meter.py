"""The meter: it reads what it says, when it says, and disturbs nothing."""

import pytest
import torch

import everlearn as el
from everlearn.alignment import Meter, products
from everlearn.run import run


def weights(learner):
    return torch.nn.utils.parameters_to_vector(learner.model.parameters()).detach().clone()


METHODS = [el.Online(), el.ER(replayed=3), el.MER(batches=2, replayed=3), el.GEMReservoir()]


@pytest.mark.parametrize("method", METHODS)
def test_a_measured_learner_does_what_it_does_without(make_learner, toy, method):
    plain, measured = make_learner(method), make_learner(method)
    meter = Meter(measured, every=3)
    for row in toy(40):
        assert meter.learn(row) == plain.learn(row)
    assert torch.equal(weights(plain), weights(measured))
    assert measured.steps == plain.steps


def test_readings_are_those_of_the_moment(make_learner, toy):
    """With a single old row there is nothing to draw: the products can be taken beside it."""
    learner = make_learner(el.Online())
    meter = Meter(learner, every=1, drawn=2)
    first, second = toy(2)
    meter.learn(first)
    assert meter.readings == []
    before = products(learner, second, first)
    meter.learn(second)
    after = products(learner, second, first)
    assert [(one.seen, one.when, one.old) for one in meter.readings] == [
        (1, "before", "history"),
        (1, "after", "history"),
    ]
    for reading, pairs in zip(meter.readings, (before, after), strict=True):
        assert reading.dot == pytest.approx([pairs.dot().item()] * 2)
        assert reading.cosine == pytest.approx([pairs.cosine().item()] * 2)
    assert meter.means()["after history"]["dot"] == pytest.approx(after.dot().item())


def test_every_so_many_batches_and_from_both_places(make_learner, toy):
    meter = Meter(make_learner(el.ER()), every=4, drawn=3)
    for row in toy(13):
        meter.learn(row)
    assert [one.seen for one in meter.readings] == [4] * 4 + [8] * 4 + [12] * 4
    assert {(one.when, one.old) for one in meter.readings} == {
        (when, old) for when in ("before", "after") for old in ("history", "memory")
    }
    assert all(len(one.dot) == len(one.cosine) == 3 for one in meter.readings)
    assert set(meter.means()) == {"before history", "before memory", "after history", "after memory"}
    assert meter.seconds > 0


def test_old_rows_are_drawn_uniformly_from_all_that_came(make_learner, toy):
    """Rows far from each other have dot products that tell which was drawn."""
    learner = make_learner(el.Online(), lr=1e-12)
    rows = toy(4)
    meter = Meter(learner, every=1, drawn=300, kept=3)
    for row in rows:
        meter.learn(row)
    last = next(one for one in meter.readings if one.seen == 3 and one.when == "before")
    expected = [products(learner, rows[3], old).dot().item() for old in rows[:3]]
    for value in expected:
        times = sum(abs(dot - value) < 1e-6 for dot in last.dot)
        assert abs(times - 100) < 5 * (300 * 2 / 9) ** 0.5


def test_a_break_changes_nothing(make_learner, toy):
    stream = toy(40)
    whole = Meter(make_learner(el.ER()), every=2)
    for row in stream:
        whole.learn(row)
    first = Meter(make_learner(el.ER()), every=2)
    for row in stream[:21]:
        first.learn(row)
    second = Meter(make_learner(el.ER(), seed=0), every=2)
    second.learner.load_state_dict(first.learner.state_dict())
    second.load_state_dict(first.state_dict())
    for row in stream[21:]:
        second.learn(row)
    assert first.readings + second.readings == whole.readings


@pytest.mark.parametrize("settings", [{"every": 0}, {"drawn": 0}, {"kept": 0}])
def test_bad_settings(make_learner, settings):
    with pytest.raises(el.InputError, match=f"{next(iter(settings))} must be at least 1, not 0"):
        Meter(make_learner(el.Online()), **settings)


def test_a_refused_batch_leaves_no_reading(make_learner, toy):
    meter = Meter(make_learner(el.Online()), every=1)
    for row in toy(3):
        meter.learn(row)
    read = len(meter.readings)
    with pytest.raises(el.InputError, match="NaN"):
        meter.learn({**toy(1)[0], "x": torch.full((1, 3), float("nan")).double()})
    assert len(meter.readings) == read


def test_a_meter_of_another_learner_is_refused(make_learner, toy):
    meter = Meter(make_learner(el.Online()))
    with pytest.raises(el.InputError, match="the meter is of another learner"):
        list(run(make_learner(el.Online()), toy(3), meter=meter))
