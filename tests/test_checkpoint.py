"""Nested states in one file: exact, atomic, and nothing unpickled."""

import resource
import signal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import everlearn as el
from everlearn import checkpoint

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
keys = st.text(max_size=5) | st.integers()
states = st.recursive(leaves, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(keys, inner))


@given(state=states)
def test_any_nesting_comes_back(tmp_path_factory, state):
    path = tmp_path_factory.mktemp("state") / "file"
    checkpoint.save(state, path)
    assert checkpoint.load(path) == state


def test_tensors_come_back_bit_for_bit_shared_and_transposed_too(tmp_path):
    x = torch.randn(3, 4)
    state = {"x": x, "again": x, "t": x.T, 0: [(torch.tensor(2), x.to(torch.bfloat16))], "none": torch.zeros(0, 3)}
    checkpoint.save(state, tmp_path / "file")
    loaded = checkpoint.load(tmp_path / "file")
    assert torch.equal(loaded["x"], x)
    assert torch.equal(loaded["t"], x.T)
    assert loaded[0][0][0] == 2
    assert torch.equal(loaded[0][0][1], x.to(torch.bfloat16))
    assert loaded["none"].shape == (0, 3)


def test_a_learner_goes_on_as_if_never_stopped(make_learner, toy, tmp_path):
    """Dropout, Adam, memory, method: all that a run depends on is in the file."""

    def make():
        model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.3), nn.BatchNorm1d(8), nn.Linear(8, 4)).double()
        torch.manual_seed(5)
        with torch.no_grad():
            for p in model.parameters():
                p.normal_()
        return make_learner(el.MERCurrent(replayed=4), model=model, optimizer=torch.optim.Adam(model.parameters()))

    stream = toy(30)
    unbroken = make()
    expected = [unbroken.learn(row) for row in stream]
    first = make()
    got = [first.learn(row) for row in stream[:13]]
    first.save(tmp_path / "learner.safetensors")
    torch.rand(100)
    second = make()
    second.load(tmp_path / "learner.safetensors")
    got += [second.learn(row) for row in stream[13:]]
    assert got == expected
    assert second.steps == unbroken.steps


def test_what_is_no_checkpoint_is_refused(tmp_path, make_learner):
    learner = make_learner(el.Online())
    with pytest.raises(el.InputError, match="there is no checkpoint at"):
        learner.load(tmp_path / "nothing")
    (tmp_path / "text").write_text("not a checkpoint")
    with pytest.raises(el.InputError, match="not a whole checkpoint"):
        learner.load(tmp_path / "text")
    learner.save(tmp_path / "half")
    (tmp_path / "half").write_bytes((tmp_path / "half").read_bytes()[:-10])
    with pytest.raises(el.InputError, match="not a whole checkpoint"):
        learner.load(tmp_path / "half")


def test_what_no_checkpoint_can_hold_is_refused(tmp_path):
    with pytest.raises(el.InputError, match="not <class 'set'>"):
        checkpoint.save({"a": {1}}, tmp_path / "file")
    with pytest.raises(el.InputError, match="strings or integers as keys"):
        checkpoint.save({1.5: 1}, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / "file"
    checkpoint.save({"x": torch.ones(10)}, path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="could not be written"):
            checkpoint.save({"x": torch.ones(1_000_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert torch.equal(checkpoint.load(path)["x"], torch.ones(10))
    assert list(tmp_path.iterdir()) == [path]
