"""Which saved states stay, whatever becomes of what they were saved for."""

import errno
from contextlib import suppress

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import everlearn as el
from everlearn import checkpoint
from everlearn.memory import folder
from everlearn.memory.reader import Reader
from everlearn.memory.saves import Saves

STEPS = st.lists(st.tuples(st.sampled_from(["save", "fail", "hold", "back"]), st.integers(0, 30)), max_size=60)


@given(STEPS, st.integers(1, 3))
def test_the_last_ones_stay_with_what_was_held_then(steps, keep):
    """The last `keep` that were confirmed, whatever was tried in vain; and no more than can be told beforehand."""
    saves, good, held, number = Saves(keep), {}, None, 0
    for step, place in steps:
        name, number = f"save {number}", number + 1
        match step:
            case "save":
                saves, good = saves.add(name).confirm(name), good | {name: held}
            case "fail":
                saves = saves.add(name)
            case "hold":
                saves, held = saves.add(name).hold(name), name
            case "back" if good:
                last = list(good)[-keep:]
                name = last[place % len(last)]
                saves = saves.back(name)
                good[name] = with_it = good.pop(name)
                held = held if with_it is None else with_it
        last = list(good)[-keep:]
        assert {*last, *(good[name] for name in last), held} - {None} <= saves.names
        assert list(saves.confirmed) == last
        assert len(saves.names) <= 4 * keep + 2


def test_what_was_held_before_going_back_stays_until_one_is_held_anew():
    saves = Saves(keep=1).add("old").hold("old").add("a").confirm("a").add("new").hold("new").back("a")
    assert saves.held == "old"
    for name in "bcde":
        saves = saves.add(name).confirm(name)
    assert saves.hold("new").names == {"new", "old", "e"}
    assert saves.add("newest").hold("newest").names == {"newest", "old", "e"}


def test_a_late_confirmation_has_the_one_that_was_held_as_it_was_saved():
    saves = Saves(keep=2).add("old").hold("old").add("a").add("new").hold("new").confirm("a")
    assert saves.back("a").held == "old"


@pytest.mark.parametrize("end", ["closed", "failed", "forked"])
def test_one_that_writes_no_more_touches_no_file(end, tmp_path, monkeypatch):
    first = el.Fifo(1_000, path=tmp_path)
    first.add({"x": torch.ones(60, 4)})
    if end == "closed":
        first.close()
    elif end == "failed":
        with monkeypatch.context() as patched:
            patched.setattr(folder, "_sync", full)
            with pytest.raises(OSError, match="No space left"):
                first.flush()
    else:
        first._rows._process = -1
    if end != "forked":
        second = el.Fifo(1_000, path=tmp_path)
        second.add({"x": torch.ones(500, 4)})
    before = (tmp_path / "rows").read_bytes()
    with pytest.raises((OSError, el.InputError), match="anew|another process is writing"):
        first.add({"x": torch.zeros(60, 4)})
    assert (tmp_path / "rows").read_bytes() == before


def learner(make_learner, tmp_path, **more):
    return make_learner(el.ER(), memory=el.Reservoir(5, path=tmp_path / "memory", **more))


def learned(one):
    x = torch.arange(60, dtype=torch.float64).reshape(20, 3) / 60
    one.learn((x, torch.zeros(20).long()))
    return one.memory.held()["x"]


class Stubborn:
    def __deepcopy__(self, memo):
        raise RuntimeError("not to be copied")


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupted(*_):
    raise KeyboardInterrupt


FAILURES = {
    "the file": lambda one, patched: patched.setattr(checkpoint, "save_file", full),
    "an odd object": lambda one, patched: patched.setattr(one, "steps", object()),
    "a copy": lambda one, patched: one.state.update(odd=Stubborn()),
    "a sync": lambda one, patched: patched.setattr(folder, "_sync", full),
    "an interrupt": lambda one, patched: patched.setattr(folder, "_sync", interrupted),
}


@pytest.mark.parametrize("fail", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("restarts", [False, True])
def test_saves_that_fail_cost_no_good_one(make_learner, fail, restarts, tmp_path, monkeypatch):
    one, held = learner(make_learner, tmp_path), []
    for name in ("old", "new"):
        held.append(learned(one))
        one.save(tmp_path / name)
    for _ in range(5):
        learned(one)
        with monkeypatch.context() as patched:
            fail(one, patched)
            with pytest.raises((OSError, el.InputError, RuntimeError, KeyboardInterrupt)):
                one.save(tmp_path / "new")
        one.state.pop("odd", None)
        if restarts or one.memory._rows._failed:
            with suppress(OSError):
                one.memory.close()
            one = learner(make_learner, tmp_path)
            one.load(tmp_path / "new")
    one.memory.close()
    again = learner(make_learner, tmp_path)
    for name, rows in zip(("old", "new"), held, strict=True):
        again.load(tmp_path / name)
        assert torch.equal(again.memory.held()["x"], rows)


def test_a_disk_too_full_for_a_shorter_journal_saves_all_the_same(make_learner, tmp_path, monkeypatch):
    one = learner(make_learner, tmp_path)
    held = learned(one)
    monkeypatch.setattr("everlearn.memory.disk.LONG", 1)
    with monkeypatch.context() as patched:
        patched.setattr(folder.Folder, "sync", lambda self, name: full() if name.endswith(".part") else None)
        for _ in range(30):
            one.save(tmp_path / "file")
    assert not (tmp_path / "memory" / "journal.part").exists()
    one.load(tmp_path / "file")
    assert torch.equal(one.memory.held()["x"], held)
    one.memory.flush()
    assert (tmp_path / "memory" / "journal").stat().st_size < 50_000


def test_a_file_that_was_put_before_the_process_was_killed_can_be_loaded(make_learner, tmp_path, monkeypatch):
    """Between the file and its confirmation."""
    one = learner(make_learner, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(el.Learner, "confirm", interrupted)
        held = learned(one)
        with pytest.raises(KeyboardInterrupt):
            one.save(tmp_path / "file")
    one.memory.close()
    again = learner(make_learner, tmp_path)
    again.load(tmp_path / "file")
    assert torch.equal(again.memory.held()["x"], held)
    for _ in range(5):
        again.state_dict()
    again.load(tmp_path / "file")


def test_restarts_leave_no_states_behind(make_learner, tmp_path):
    """Load, accept, and stop before the next save: the same over and over."""
    one = learner(make_learner, tmp_path)
    probe = {"x": torch.zeros(3, 3, dtype=torch.float64), "y": torch.zeros(3).long()}
    gate = el.Gate({"probe": probe}, tolerance=9.0)
    gate.admit(one)
    one.save(tmp_path / "file", also={"gate": gate.state_dict()})
    for _ in range(12):
        one.memory.close()
        one, gate = learner(make_learner, tmp_path), el.Gate({"probe": probe}, tolerance=9.0)
        gate.load_state_dict(one.load(tmp_path / "file")["gate"])
        learned(one)
        assert gate.admit(one).accepted
    assert Reader(tmp_path / "memory").saves <= 4


def test_after_a_failure_the_folder_is_free(tmp_path, monkeypatch):
    memory = el.Fifo(5, path=tmp_path)
    memory.add({"x": torch.ones(2)})
    with monkeypatch.context() as patched:
        patched.setattr(folder, "_sync", full)
        with pytest.raises(OSError, match="No space left"):
            memory.flush()
    again = el.Fifo(5, path=tmp_path)
    assert len(again) == 2
    with pytest.raises(OSError, match="open the memory at .* anew"):
        memory.add({"x": torch.ones(1)})
    with pytest.raises(OSError, match="open the memory at .* anew"):
        memory.close()
    with pytest.raises(el.InputError, match="another process is writing"):
        el.Fifo(5, path=tmp_path)
