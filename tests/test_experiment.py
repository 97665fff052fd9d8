"""Experiments and their records: exact resume, nothing repeated, nothing lost."""

import json
import resource
import signal
from dataclasses import replace

import pytest
from torch.nn import GroupNorm

import everlearn as el
from everlearn.experiment import Experiment
from everlearn.record import Record
from everlearn.recorded import CHECKPOINT
from everlearn.run import Evaluation, Learned, TaskDone

TOY = Experiment(
    el.Rotations(tasks=3, examples=6),
    el.MERCurrent(replayed=3, gamma=0.5),
    memory=10,
    lr=0.03,
    hidden=(12,),
    evaluation=Evaluation(every=4, rows=50),
)


def measured(folder):
    """The record without clocks and peaks."""
    lines = list(Record(folder).lines())
    return [{k: v for k, v in line.items() if k not in ("learning", "evaluating", "peak_rss_mb")} for line in lines]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    events = list(TOY.perform(folder))
    return folder, events


def test_the_record_holds_settings_versions_and_every_event_but_the_rows(unbroken):
    folder, events = unbroken
    header, *lines = Record(folder).lines()
    assert header["config"] == TOY.config()
    assert header["config"]["stream"] == {
        "name": "Rotations", "tasks": 3, "examples": 6, "batch_size": 1, "data": "mnist", "seed": 0,
    }  # fmt: skip
    assert header["path"] == "compiled"
    assert header["versions"].keys() == {"python", "machine", "everlearn", "torch", "numpy", "numba"}
    assert [line["event"] for line in lines] == [
        *(type(event).__name__.lower() for event in events if not isinstance(event, Learned)),
        "finished",
    ]
    # The whole process's: a bound is in test_launch.py, where a process is one run's own.
    assert lines[-1]["peak_rss_mb"] > 0


@pytest.mark.parametrize("stop", [1, 7, 13, 17])
def test_a_run_cut_short_goes_on_and_ends_as_an_unbroken_one(unbroken, tmp_path, stop):
    learned = 0
    for event in TOY.perform(tmp_path):
        learned += isinstance(event, Learned)
        if learned == stop:
            break
    again = list(TOY.perform(tmp_path))
    assert sum(isinstance(event, Learned) for event in again) == 18 - (stop - 1) // 6 * 6
    assert measured(tmp_path) == measured(unbroken[0])


def stop_after(tasks, folder):
    """Cut a run short right after some tasks."""
    done = 0
    for event in TOY.perform(folder):
        done += isinstance(event, TaskDone)
        if done == tasks:
            return


def test_readings_of_alignment_go_on_too_and_change_nothing(unbroken, tmp_path):
    read = replace(TOY, alignment=2)
    list(read.perform(tmp_path / "whole"))
    for event in read.perform(tmp_path / "cut"):
        if isinstance(event, Learned) and event.seen == 13:
            break
    list(read.perform(tmp_path / "cut"))
    whole = measured(tmp_path / "whole")
    assert measured(tmp_path / "cut") == whole
    aligned = [line for line in whole if line["event"] == "aligned"]
    assert [line["task"] for line in aligned] == [0, 1, 2]
    assert set(aligned[0]["means"]) == {"before history", "before memory", "after history", "after memory"}
    assert [line for line in whole if line["event"] != "aligned"][1:] == measured(unbroken[0])[1:]


@pytest.mark.parametrize(
    ("change", "named", "folder"),
    [
        ({"optimizer": "adam"}, {"optimizer": "adam"}, "Adam"),
        ({"optimizer": "rmsprop"}, {"optimizer": "rmsprop"}, "RMSprop"),
        ({"optimizer": "sgd", "keep": "reservoir", "alignment": 0}, {}, "SGD"),
        ({"keep": "ring"}, {"keep": "ring"}, "SGD"),
        ({"method": el.GEM()}, {}, "SGD"),
    ],
)
def test_other_optimizers_and_memories_are_named_in_the_settings(change, named, folder):
    one = replace(TOY, **change)
    own = {name: one.config()[name] for name in ("optimizer", "keep", "alignment") if name in one.config()}
    assert own == named
    learner = one.learner()
    assert type(learner.optimizer).__name__ == folder
    ring = change.get("keep") == "ring" or "method" in change
    assert isinstance(learner.stored, el.Ring if ring else el.Reservoir)


@pytest.mark.parametrize(
    ("method", "shape"),
    [(el.Independent(), (4, 784)), (el.TaskInput(), (12, 784)), (el.EWC(), (12, 784))],
)
def test_methods_with_parts_for_each_task_get_their_networks(tmp_path, method, shape):
    """Independent networks share the hidden units between them: 12 for 3 tasks."""
    one = replace(TOY, method=method, evaluation=Evaluation())
    assert tuple(next(iter(one.learner().model.parameters())).shape) == shape
    assert list(one.perform(tmp_path))[-1].task == 2
    assert one.is_finished(tmp_path)


def test_omniglot(tmp_path):
    one = Experiment(el.Omniglot(tasks=2), el.Online(), lr=0.01, hidden=(2, 2), evaluation=Evaluation(every=100))
    assert one.length == 18 * (20 + 29)
    events = list(one.perform(tmp_path))
    assert events[-1].seen == one.length
    assert one.config()["hidden"] == [2, 2]
    full = Experiment(el.Omniglot(), el.Online())
    assert full.config()["hidden"] == [64] * 4
    assert full.config()["normalised"] is True
    assert full.folder() != replace(full, normalised=False).folder()
    assert not any(isinstance(layer, GroupNorm) for layer in replace(full, normalised=False).learner().model.modules())
    assert "normalised" not in TOY.config()


def test_a_record_torn_in_the_middle_of_a_line_goes_on_too(unbroken, tmp_path):
    stop_after(2, tmp_path)
    with (tmp_path / "record.jsonl").open("a") as file:
        file.write('{"event": "cur')
    list(TOY.perform(tmp_path))
    assert measured(tmp_path) == measured(unbroken[0])


def test_what_is_finished_is_not_run_again(unbroken):
    folder, _ = unbroken
    before = (folder / "record.jsonl").read_bytes()
    assert list(TOY.perform(folder)) == []
    assert (folder / "record.jsonl").read_bytes() == before


def test_two_processes_do_not_write_one_record(tmp_path):
    first = TOY.perform(tmp_path)
    next(first)
    with pytest.raises(el.InputError, match="another process is running"):
        next(TOY.perform(tmp_path))
    first.close()
    assert len(list(TOY.perform(tmp_path))) > 18


def test_a_folder_of_other_settings_is_refused(unbroken):
    with pytest.raises(el.InputError, match="holds a run of other settings"):
        list(replace(TOY, lr=0.02).perform(unbroken[0]))


def test_runs_that_differ_have_folders_that_differ():
    others = [
        replace(TOY, lr=0.02),
        replace(TOY, seed=1),
        replace(TOY, memory=11),
        replace(TOY, method=el.MERCurrent(replayed=4)),
        replace(TOY, stream=el.Rotations(tasks=3, examples=7)),
    ]
    assert len({one.folder() for one in [TOY, *others]}) == 6
    assert replace(TOY, stream=replace(TOY.stream, seed=5)).folder() == TOY.folder()


def test_a_seed_changes_everything_random(unbroken, tmp_path):
    list(replace(TOY, seed=1).perform(tmp_path))
    ours, theirs = measured(tmp_path), measured(unbroken[0])
    assert ours[1]["accuracy"] != theirs[1]["accuracy"]
    assert ours[0]["config"]["stream"]["seed"] == 1


def test_a_full_disk_leaves_the_record_whole_and_the_run_goes_on_later(unbroken, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    events = TOY.perform(tmp_path)
    next(events)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "record.jsonl").stat().st_size + 40, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            list(events)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    content = (tmp_path / "record.jsonl").read_text()
    assert content.endswith("\n")
    assert all(json.loads(line) for line in content.splitlines())
    list(TOY.perform(tmp_path))
    assert measured(tmp_path) == measured(unbroken[0])


def test_divergence_leaves_the_record_whole_and_is_recorded(tmp_path):
    wild = replace(TOY, lr=1e30)
    with pytest.raises(el.Diverged, match="lower learning rate"):
        list(wild.perform(tmp_path))
    lines = list(Record(tmp_path).lines())
    assert [line["event"] for line in lines] == ["started", "tested", "diverged"]
    assert not wild.is_finished(tmp_path)
    with pytest.raises(el.Diverged, match="no longer finite after .*So it was recorded; remove .* to run it again"):
        list(wild.perform(tmp_path))
    assert list(Record(tmp_path).lines()) == lines


def test_a_damaged_record_is_named(tmp_path):
    Record(tmp_path).start({}, "compiled")
    with (tmp_path / "record.jsonl").open("a") as file:
        file.write("no json\n")
    with pytest.raises(el.InputError, match=r"line 2 of .*record\.jsonl is damaged"):
        list(Record(tmp_path).lines())


def test_a_damaged_checkpoint_is_named(tmp_path):
    stop_after(1, tmp_path)
    (tmp_path / CHECKPOINT).write_bytes(b"nothing")
    with pytest.raises(el.InputError, match="not a whole checkpoint"):
        list(TOY.perform(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"memory": 0}, "memory must be at least 1"),
        ({"lr": -0.1}, "lr must be above 0"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_bad_settings_are_refused_by_name(change, message):
    with pytest.raises(el.InputError, match=message):
        replace(TOY, **change)


def test_a_record_begun_anew_forgets_the_old_checkpoint(unbroken, tmp_path):
    stop_after(2, tmp_path)
    (tmp_path / "record.jsonl").unlink()
    next(TOY.perform(tmp_path))
    list(TOY.perform(tmp_path))
    assert measured(tmp_path) == measured(unbroken[0])


def test_a_record_shorter_than_its_checkpoint_says_is_refused(tmp_path):
    stop_after(1, tmp_path)
    record = Record(tmp_path)
    record.cut_to_header()
    before = record.path.read_bytes()
    with pytest.raises(el.InputError, match="is shorter than when checkpoint.safetensors was written: remove"):
        next(TOY.perform(tmp_path))
    assert record.path.read_bytes() == before


def test_a_runs_checkpoint_is_a_learner_to_go_on_with(unbroken):
    learner = replace(TOY, seed=3).learner()
    learner.load(unbroken[0] / CHECKPOINT)
    assert learner.steps > 0
    test = TOY.stream.test(2)
    assert (learner.predict(test).argmax(1) == test["y"]).double().mean() == measured(unbroken[0])[-3]["accuracy"][2]
