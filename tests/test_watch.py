"""Running measures: known answers, and a learner that learns as it would without."""

import json

import pytest
import torch

import everlearn as el
from everlearn.integrations import json_lines
from everlearn.watch import Watch


def row(n, flip=False):
    x = torch.randn(1, 3, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    return {"x": x, "y": ((x[:, 0] > 0) != flip).long(), "key": torch.tensor([n])}


def weights(learner):
    return torch.nn.utils.parameters_to_vector(learner.model.parameters()).detach()


def test_the_learner_learns_as_it_would_without(make_learner):
    watched, alone = make_learner(el.MER(batches=2, replayed=3)), make_learner(el.MER(batches=2, replayed=3))
    watch = Watch(watched, every=7, rows=5)
    for n in range(40):
        assert torch.equal(watch.learn(row(n)), alone.learn(row(n)))
    assert torch.equal(weights(watched), weights(alone))
    assert torch.equal(watched.memory.sample(5)["key"], alone.memory.sample(5)["key"])


def test_prequential_means_are_over_the_last_rows(make_learner):
    learner = make_learner(el.Online())
    losses, scores = [], []
    watch = Watch(learner, window=10, every=1)
    for n in range(25):
        scores.append(float((learner.predict(row(n)).argmax(1) == row(n)["y"]).double()))
        losses.append(float(watch.learn(row(n))))
        reading = watch.readings[-1]
        assert reading.seen == n + 1
        assert reading.loss == pytest.approx(sum(losses[-10:]) / len(losses[-10:]))
        assert reading.score == pytest.approx(sum(scores[-10:]) / len(scores[-10:]))


def test_batches_are_weighted_by_their_rows(make_learner):
    watch = Watch(make_learner(el.Online(), lr=1e-9), window=100, every=100)
    together = {name: torch.cat([row(n)[name] for n in range(60)]) for name in row(0)}
    expected = watch.learner.losses(together).mean()
    for part in (slice(0, 10), slice(10, 11), slice(11, 60)):
        watch.learn({name: values[part] for name, values in together.items()})
    assert watch.read().loss == pytest.approx(float(expected), abs=1e-6)


def test_what_is_forgotten_is_seen(make_learner):
    """Learn one thing, then its contrary, without replay."""
    learner = make_learner(el.Online(), memory=el.Reservoir(200), lr=0.3)
    watch = Watch(learner, every=100, rows=60, probes=4)
    for n in range(600):
        watch.learn(row(n))
        learner.memory.add(row(n))
    before = watch.readings[-1]
    assert before.retained > 0.85
    assert before.forgotten < 0.1
    for n in range(600, 900):
        watch.learn(row(n, flip=True))
    after = watch.readings[-1]
    assert after.retained < 0.4
    assert after.forgotten > 0.5


def test_probes_reach_back_to_the_beginning(make_learner):
    learner = make_learner(el.ER(), memory=el.Fifo(5))
    watch = Watch(learner, every=1, rows=3, probes=4)
    for n in range(60):
        watch.learn(row(n))
        assert len(watch._probes) <= 4
    firsts = [int(probe.rows["key"].min()) for probe in watch._probes]
    assert firsts == sorted(firsts)
    assert firsts[0] < 5
    assert firsts[-1] > 20


def test_rows_kept_for_measuring_are_forgotten_on_request(make_learner):
    learner = make_learner(el.ER(), memory=el.Fifo(50))
    watch = Watch(learner, every=10, rows=30)
    for n in range(40):
        watch.learn(row(n))
    assert any(3 in probe.rows["key"] for probe in watch._probes)
    watch.delete(key=[3, 4])
    assert watch._probes
    assert not any(key in probe.rows["key"] for probe in watch._probes for key in (3, 4))
    watch.expire(10, column="key")
    assert watch._probes
    assert all((probe.rows["key"] >= 10).all() for probe in watch._probes)
    watch.read()
    watch.delete(key=range(40))
    assert watch._probes == []
    assert watch.read().retained is None


def test_it_goes_on_from_what_was_saved(make_learner, tmp_path):
    def make():
        return Watch(make_learner(el.ER(replayed=3)), window=20, every=5, rows=4, probes=3)

    unbroken, broken, resumed = make(), make(), make()
    for n in range(60):
        unbroken.learn(row(n))
    for n in range(33):
        broken.learn(row(n))
    broken.learner.save(tmp_path / "file", also={"watch": broken.state_dict()})
    resumed.load_state_dict(resumed.learner.load(tmp_path / "file")["watch"])
    for n in range(33, 60):
        resumed.learn(row(n))
    assert resumed.readings == unbroken.readings


class Once:
    """A detector that sees a drift at the fifth value."""

    def __init__(self):
        self.values = []

    def update(self, x):
        self.values.append(x)

    @property
    def drift_detected(self):
        return len(self.values) == 5


def test_a_drift_calls_back(make_learner):
    told, detector = [], Once()
    watch = Watch(make_learner(el.Online()), detector=detector, on_drift=lambda watch: told.append(watch.seen))
    for n in range(8):
        watch.learn(row(n))
    assert told == watch.drifts == [5]
    assert set(detector.values) <= {0.0, 1.0}


def test_readings_go_to_sinks(make_learner, tmp_path):
    given = []
    watch = Watch(
        make_learner(el.ER()),
        every=4,
        rows=2,
        sinks=[json_lines(tmp_path / "lines.jsonl"), lambda values, seen: given.append((seen, values))],
    )
    for n in range(12):
        watch.learn(row(n))
    lines = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()]
    assert [line["seen"] for line in lines] == [seen for seen, _ in given] == [4, 8, 12]
    assert set(lines[0]) == {"seen", "loss", "score", "drifts"}
    assert set(lines[1]) == {"seen", "loss", "score", "drifts", "retained", "forgotten"}


@pytest.mark.parametrize("name", ["window", "every", "rows"])
def test_numbers_out_of_range(make_learner, name):
    with pytest.raises(el.InputError, match=f"{name} must be at least 1, not 0"):
        Watch(make_learner(el.Online()), **{name: 0})


def test_a_score_that_averages_is_refused(make_learner):
    watch = Watch(make_learner(el.Online()), score=lambda output, batch: output.mean())
    with pytest.raises(el.InputError, match=r"score must give one number a row, \(1,\), not \(\)"):
        watch.learn(row(0))
