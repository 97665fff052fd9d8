"""A recorded life: its settings, its record, and going on where it was cut short."""

import subprocess
import sys
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest
import torch

import everlearn as el
from everlearn.launch import launch
from everlearn.record import Record
from everlearn.rl import Epsilon, GameExperiment, Trials, experiment_of, live
from everlearn.rl.play import Frame
from everlearn.rl.sequences import SEQUENCES

MER = el.MER(batches=1, replayed=4, beta=1.0, gamma=0.3, add="before")
SHORT = GameExperiment(
    "catcher", MER, memory=50, hidden=(8,), frames=40, epsilon=Epsilon(frames=50), trials=Trials(60, 2, 30), seed=1
)


def told(folder):
    """All but versions, seconds and memory."""
    lines = list(Record(folder).lines())
    aside = ("versions", "living", "trying", "peak_rss_mb")
    return [{name: value for name, value in line.items() if name not in aside} for line in lines]


def test_the_record_holds_the_settings_and_the_trials(tmp_path):
    list(SHORT.perform(tmp_path))
    first, *trials, last = told(tmp_path)
    assert (first["config"], first["path"]) == (SHORT.config(), "compiled")
    assert [(line["event"], line["frame"], line["task"]) for line in trials] == [
        ("trial", 60, 1), ("trial", 120, 2), ("trial", 180, 4), ("trial", 240, 5)
    ]  # fmt: skip
    assert all(len(line["scores"]) == 6 for line in trials)
    assert last == {"event": "finished"}
    assert SHORT.is_finished(tmp_path)
    assert list(SHORT.perform(tmp_path)) == []


@pytest.mark.parametrize("keep", ["fifo", "reservoir"])
@pytest.mark.parametrize("events", [30, 100, 205])
def test_a_life_that_was_cut_short_goes_on(keep, events, tmp_path):
    own = replace(SHORT, keep=keep)
    list(own.perform(tmp_path / "whole"))
    life = own.perform(tmp_path / "cut")
    list(islice(life, events))
    life.close()
    assert not own.is_finished(tmp_path / "cut")
    list(own.perform(tmp_path / "cut"))
    assert told(tmp_path / "cut") == told(tmp_path / "whole")


def test_a_folder_tells_its_experiment_and_gives_the_agent_after_each_task(tmp_path):
    events = list(SHORT.perform(tmp_path))
    assert experiment_of(tmp_path) == SHORT
    seen = np.random.default_rng(0).random((5, 4))
    values = [SHORT.agent_after(tmp_path, tasks).values(seen) for tasks in range(1, 7)]
    assert not any(torch.equal(one, other) for one, other in pairwise(values))
    whole = SHORT.agent()
    for event in live(whole, SHORT.environment(), 240, trials=SHORT.trials, seed=1):
        if isinstance(event, Frame) and event.frame % 40 == 0:
            assert torch.equal(whole.values(seen), values[event.frame // 40 - 1])
    assert len(events) > 240
    with pytest.raises(el.InputError, match="there is no checkpoint"):
        SHORT.agent_after(tmp_path, 7)
    with pytest.raises(el.InputError, match="holds no run of a game"):
        experiment_of(tmp_path / "nowhere")


def test_a_run_of_tasks_that_a_sequence_no_longer_has_is_no_run_of_it(tmp_path, monkeypatch):
    list(SHORT.perform(tmp_path / SHORT.folder()))
    make, schedule = SEQUENCES["catcher"]
    monkeypatch.setitem(SEQUENCES, "catcher", (make, [(0, {"velocity": 0.5}), *schedule[1:]]))
    assert not SHORT.is_finished(tmp_path / SHORT.folder())
    with pytest.raises(el.InputError, match="of other tasks than catcher now has"):
        experiment_of(next(tmp_path.iterdir()))


def test_a_run_that_begins_anew_leaves_nothing_of_the_old_one(tmp_path):
    list(SHORT.perform(tmp_path))
    (tmp_path / "record.jsonl").unlink()
    life = SHORT.perform(tmp_path)
    next(life)
    life.close()
    with pytest.raises(el.InputError, match="there is no checkpoint"):
        SHORT.agent_after(tmp_path, 6)


def test_without_trials_it_goes_on_from_the_last_task(tmp_path):
    own = replace(SHORT, trials=Trials(every=0))
    list(own.perform(tmp_path / "whole"))
    life = own.perform(tmp_path / "cut")
    list(islice(life, 130))
    life.close()
    again = list(own.perform(tmp_path / "cut"))
    assert next(event.frame for event in again if isinstance(event, Frame)) == 121
    seen = np.random.default_rng(0).random((5, 4))
    values = [own.agent_after(tmp_path / name, 6).values(seen) for name in ("whole", "cut")]
    assert torch.equal(*values)


def test_a_method_of_ones_own_is_named(tmp_path):
    record = Record(tmp_path)
    record.start(SHORT.config() | {"method": {"name": "Mine"}}, "compiled")
    with pytest.raises(el.InputError, match="a run of Mine, which is no method of everlearn's"):
        experiment_of(tmp_path)


def test_games_need_nothing_of_the_command(tmp_path):
    program = "import sys; sys.modules.update(tyro=None, tqdm=None, matplotlib=None); import everlearn.rl"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_lives_are_launched_with_the_rest(tmp_path, capsys):
    lives = [replace(SHORT, seed=seed) for seed in (1, 2)]
    outcome = launch(lives, tmp_path, workers=2)
    assert (outcome.failures, outcome.interrupted) == ({}, False)
    assert all(one.is_finished(tmp_path / one.folder()) for one in lives)
    assert "2/2 runs" in capsys.readouterr().err


def test_progress_tells_frame_task_epsilon_and_the_last_score():
    told = [SHORT.progress(event) for event in live(SHORT.agent(), SHORT.environment(), 150, trials=SHORT.trials)]
    told = [one for one in told if one is not None]
    assert told[0] == (1, "task 1, ε 1.00")
    assert told[-1][0] == 150
    assert told[-1][1].startswith("task 4, ε 0.05, score -")


@pytest.mark.parametrize(("pixels", "hidden", "path"), [(8, (6,), "compiled"), (84, (), "readable: the model's")])
def test_an_agent_may_see_pictures(pixels, hidden, path, tmp_path):
    own = replace(SHORT, pixels=pixels, stack=2, hidden=hidden, frames=4, memory=10, trials=Trials(16, 1, 5))
    list(own.perform(tmp_path))
    first, *_ = told(tmp_path)
    assert first["path"].startswith(path)
    assert experiment_of(tmp_path) == own
    agent = own.agent()
    list(live(agent, own.environment(), 20, trials=Trials(every=0)))
    seen = agent.learner.memory.held()["x"]
    assert (seen.dtype, seen.shape) == (torch.uint8, (10, 2, pixels, pixels))
    assert agent.learner.path.startswith(path)


def test_widths_may_be_a_list():
    assert replace(SHORT, hidden=[8]) == SHORT


def test_names_and_settings():
    assert SHORT.folder().rpartition("-")[0] == replace(SHORT, seed=2).folder().rpartition("-")[0]
    assert SHORT.folder() != replace(SHORT, lr=0.02).folder()
    assert SHORT.length == 240
    assert [keywords for _, keywords in SHORT.environment()._schedule][1] == {"velocity": 0.638}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sequence": "chess"}, "sequence must be one of catcher, flappy-bird.*not 'chess'"),
        ({"keep": "all"}, "keep must be one of fifo, reservoir, not 'all'"),
        ({"optimizer": "lion"}, "optimizer must be one of sgd, adam, rmsprop"),
        ({"lr": 0.0}, "lr must be above 0"),
        ({"frames": 0}, "frames must be at least 1"),
        ({"hidden": ()}, "the convolutional network needs pictures: pixels=84, not None"),
        ({"pixels": 0}, "pixels must be at least 1"),
        ({"sequence": "cart-pole-length", "stack": 2}, "for everlearn's own games, not for cart-pole-length"),
    ],
)
def test_bad_settings(wrong, message):
    with pytest.raises(el.InputError, match=message):
        replace(SHORT, **wrong).environment()
