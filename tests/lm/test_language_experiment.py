"""Reading one text after another: what is read, at which rate, and that a run goes on where it was."""

from dataclasses import replace

import pytest
import torch

import everlearn as el
from everlearn import lm
from everlearn.lm.arms import ARMS, arm_name
from everlearn.lm.rows import cut
from everlearn.lm.texts import text
from everlearn.record import Record

NAMES = ("english", "german", "python")
pytestmark = pytest.mark.usefixtures("told")


def experiment(arm="replay 25 % + Reptile", **settings):
    own = {"steps": 6, "every": 4, "tested": 4, "context": 16} | settings
    return lm.LanguageExperiment(ARMS[arm].method, joint=ARMS[arm].joint, **own)


def test_a_life_reads_each_text_in_turn_and_is_tested_on_all(tmp_path):
    events = list(experiment().perform(tmp_path))
    assert [event.step for event in events if isinstance(event, lm.Read)] == list(range(1, 19))
    tested = [event for event in events if isinstance(event, lm.Tested)]
    assert [event.step for event in tested] == [0, 4, 6, 8, 12, 16, 18]
    assert all(5.4 < loss < 5.8 for loss in tested[0].losses)
    assert all(after < before for before, after in zip(tested[0].losses, tested[-1].losses, strict=True))
    assert all(0 < event.remembering < event.learning for event in tested[1:])
    assert experiment().is_finished(tmp_path)
    assert list(experiment().perform(tmp_path)) == []


def test_all_arms_learn_as_many_rows_and_those_that_replay_read_fewer():
    for name, arm in ARMS.items():
        own = experiment(name, steps=4)
        batches = own.batches()
        assert len(batches) == 12
        assert {len(batch) + arm.method.replayed for batch in batches} == {20}
        assert own.arm == name
    assert arm_name(replace(ARMS["plain"].method, steps=3), True) == "joint 0 old rows, 1.0 every 3"


@pytest.mark.parametrize("joint", [False, True])
def test_rows_come_text_by_text_or_mixed(joint):
    batches = experiment("joint" if joint else "plain", steps=10).batches()
    rows = {name: {*map(tuple, cut(name, NAMES, "bytes", 16).training.tolist())} for name in NAMES}
    texts = [[next(name for name in NAMES if tuple(row) in rows[name]) for row in batch.tolist()] for batch in batches]
    if joint:
        assert {*texts[0]} == {*NAMES}
    else:
        assert texts == [[name] * 20 for name in NAMES for _ in range(10)]


def test_seeds_differ_in_everything_and_equal_ones_in_nothing():
    one, same, other = experiment(), experiment(), experiment(seed=1)
    assert all(map(torch.equal, one.batches(), same.batches()))
    assert not torch.equal(one.batches()[0], other.batches()[0])
    weights = [next(lm.llama("small", 256, 16, seed).parameters()) for seed in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert one.folder().removesuffix("seed0") == other.folder().removesuffix("seed1")


def test_the_rate_rises_and_stays_or_falls():
    own = experiment(steps=100, lr=0.3)
    assert [round(own.rate(step), 6) for step in (0, 1, 2, 3, 299)] == [0.1, 0.2, 0.3, 0.3, 0.3]
    falling = replace(own, schedule="cosine")
    rates = [falling.rate(step) for step in range(300)]
    assert rates[:3] == [own.rate(step) for step in range(3)]
    assert rates[3] == pytest.approx(0.3)
    assert rates[151] == pytest.approx(0.3 * 0.55, rel=0.02)
    assert rates[-1] == pytest.approx(0.03, rel=0.01)
    assert rates[3:] == sorted(rates[3:], reverse=True)


@pytest.mark.parametrize("arm", ["replay 50 % + Reptile", "joint"])
def test_a_life_that_is_cut_short_goes_on_as_an_unbroken_one(arm, tmp_path):
    own = experiment(arm, schedule="cosine", memory=30)
    whole = [event for event in own.perform(tmp_path / "whole") if isinstance(event, lm.Tested)]
    for event in own.perform(tmp_path / "cut"):
        if isinstance(event, lm.Read) and event.step == 11:
            break
    rest = [event for event in own.perform(tmp_path / "cut") if isinstance(event, lm.Read)]
    assert rest[0].step == 9
    found = [line["losses"] for line in Record(tmp_path / "cut").lines() if line["event"] == "tested"]
    assert found == [event.losses for event in whole]


def test_a_life_does_not_go_on_with_other_texts(tmp_path, monkeypatch):
    own = experiment("plain")
    for event in own.perform(tmp_path):
        if isinstance(event, lm.Read) and event.step == 5:
            break
    assert next(line for line in Record(tmp_path).lines() if line["event"] == "opened")["digests"].keys() == {*NAMES}
    monkeypatch.setattr("everlearn.lm.experiment.digest", lambda name: "another")
    with pytest.raises(el.InputError, match="this run began with other texts, or with those of another Python"):
        list(own.perform(tmp_path))


def test_what_is_chosen_by_is_not_what_is_tested_on(told):
    told["english"] = lambda: b"".join(f"{i:07} ".encode() for i in range(30_000))
    text.cache_clear()
    own = cut("english", NAMES, "bytes", 16)
    parts = [{*map(tuple, rows.tolist())} for rows in (own.training, own.validation, own.testing)]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 15_000
    learner = experiment("plain").learner()
    for kept, rows in (("testing", own.testing), ("validation", own.validation)):
        found = experiment("plain", kept=kept, tested=len(rows))._loss(learner, "english")
        assert found == pytest.approx(float(learner.losses({"input_ids": rows}).mean()), abs=1e-6)


def test_a_gate_refuses_what_makes_a_text_s_loss_higher():
    learner = experiment("plain", lr=0.02).learner()
    english, python = ({"input_ids": cut(name, NAMES, "bytes", 16).training[:200]} for name in ("english", "python"))
    gate = el.Gate({"english": {"input_ids": cut("english", NAMES, "bytes", 16).testing[:100]}})
    for name, batch, accepted in (("english", english, True), ("english", english, True), ("python", python, False)):
        for _ in range(10):
            learner.learn(batch)
        verdict = gate.admit(learner)
        assert verdict.accepted == accepted, name


def test_pairs_are_read_too(tmp_path):
    tested = [one for one in experiment("plain", tokens="pairs").perform(tmp_path) if isinstance(one, lm.Tested)]
    assert all(0 < loss < 5 for loss in tested[-1].losses)


def test_what_can_not_be_is_refused():
    for settings, message in (
        ({"size": "huge"}, "size must be one of small, medium, large, not 'huge'"),
        ({"texts": ("english", "latin")}, "texts must be one of english, german, python, not 'latin'"),
        ({"kept": "training"}, "kept must be one of testing, validation"),
        ({"schedule": "linear"}, "schedule must be one of constant, cosine"),
        ({"batch": 5}, "of the 5 rows of a batch, 5 can't be old ones"),
        ({"lr": 0.0}, "lr must be"),
        ({"steps": 0}, "steps must be at least 1"),
    ):
        with pytest.raises(el.InputError, match=message):
            experiment(**settings)
    with pytest.raises(el.InputError, match=r"'english' has \d+ rows, fewer than the 15000 to be read"):
        experiment(steps=1000).batches()
