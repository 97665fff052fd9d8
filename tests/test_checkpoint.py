"""Nested states in one file: exact, atomic, and nothing unpickled."""

import os
import resource
import signal
import time
from contextlib import suppress

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


def test_every_flipped_bit_is_found(tmp_path):
    """Each bit of a file, one after another: what is read is what was written, or the file is refused."""
    path = tmp_path / "file"
    state = {"x": torch.arange(6.0).reshape(2, 3), "n": [1, None, "text", (True, 2.5)], "y": torch.zeros(0, 2).int()}
    checkpoint.save(state, path)
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            try:
                found = checkpoint.load(path)
            except el.InputError:
                refused += 1
                continue
            assert found.keys() == state.keys()
            assert torch.equal(found["x"], state["x"])
            assert found["n"] == state["n"]
            assert (found["y"].dtype, found["y"].shape) == (state["y"].dtype, state["y"].shape)
    assert refused > 7.9 * len(whole)


def test_damage_is_named(tmp_path, make_learner):
    learner, path = make_learner(el.Online()), tmp_path / "learner"
    learner.save(path)
    whole = path.read_bytes()
    # Before the last tensor's last byte all headers and other tensors lie.
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(el.InputError, match="not a whole checkpoint: /(model|torch|generator|optimizer).* is damaged"):
        learner.load(path)


@given(cut=st.integers(0, 2000), noise=st.binary(max_size=30), place=st.integers(0, 3000))
def test_whatever_a_file_holds_it_is_read_or_refused(tmp_path_factory, cut, noise, place):
    path = tmp_path_factory.mktemp("noise") / "file"
    checkpoint.save({"x": torch.ones(3, 2), "list": [1, {"a": torch.zeros(1)}]}, path)
    whole = path.read_bytes()
    path.write_bytes((whole[:place] + noise + whole[place + len(noise) :])[: len(whole) - cut])
    with suppress(el.InputError):
        checkpoint.load(path)


def test_places_alike_are_told_apart(tmp_path):
    state = {
        "a/b": torch.tensor(1),
        "a": {"b": torch.tensor(2)},
        "\ud800": torch.tensor(3),
        "__metadata__": torch.ones(1),
    }
    checkpoint.save(state, tmp_path / "file")
    found = checkpoint.load(tmp_path / "file")
    assert (int(found["a/b"]), int(found["a"]["b"]), int(found["\ud800"]), len(found)) == (1, 2, 3, 4)
    checkpoint.save(torch.tensor(4), tmp_path / "file")
    assert int(checkpoint.load(tmp_path / "file")) == 4


def test_what_no_checkpoint_can_hold_is_refused(tmp_path):
    with pytest.raises(el.InputError, match="not <class 'set'>"):
        checkpoint.save({"a": {1}}, tmp_path / "file")
    with pytest.raises(el.InputError, match="strings or integers as keys"):
        checkpoint.save({1.5: 1}, tmp_path / "file")
    for tensor, told in (
        (torch.eye(2).to_sparse(), "sparse_coo"),
        (torch.ones(2, dtype=torch.complex128), "complex128"),
    ):
        with pytest.raises(el.InputError, match=f"tensors of torch.{told}, and /a/0 is one"):
            checkpoint.save({"a": [tensor]}, tmp_path / "file")
    round_and_round = []
    round_and_round.append(round_and_round)
    for odd in (round_and_round, 10**5000):
        with pytest.raises(el.InputError, match="a checkpoint can't hold this"):
            checkpoint.save({"a": odd}, tmp_path / "file")
    with pytest.raises(el.InputError, match="name a file"):
        checkpoint.save({}, "")
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


def test_what_killed_processes_left_is_cleared(tmp_path):
    forgotten, begun, other = (tmp_path / name for name in ("a[1].7.part", "a[1].8.part", "b.7.part"))
    for file in (forgotten, begun, other):
        file.write_bytes(b"half")
    for file in (forgotten, other):
        os.utime(file, (time.time() - 7200, time.time() - 7200))
    checkpoint.save({"a": 1}, tmp_path / "a[1]")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a[1]", "a[1].8.part", "b.7.part"]
