"""Batches mixed with rows from memory: how many, which, and that nothing depends on reading ahead."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import everlearn as el
from everlearn.memory.disk import OnDisk
from everlearn.memory.folder import Folder
from everlearn.memory.mixed import mixed


def stream(n, size=3, start=0):
    for number in range(start, start + n):
        yield {"x": torch.arange(size) + size * number}


@settings(max_examples=50)
@given(size=st.integers(1, 9), share=st.sampled_from([0.0, 0.05, 0.1, 0.25, 1 / 3, 0.5, 0.75]))
def test_so_many_rows_are_old(size, share):
    memory = el.Fifo(1000)
    memory.add({"x": torch.full((900,), -1)})
    drawn = 0
    for number, batch in enumerate(mixed(stream(30, size), memory, share), 1):
        assert batch["x"][:size].tolist() == [size * (number - 1) + i for i in range(size)]
        drawn += len(batch["x"]) - size
        new = size * number
        assert abs(drawn - share / (1 - share) * new) < 1
        assert memory.seen == 900 + new


def test_old_rows_are_of_batches_before():
    seen = 0
    for batch in mixed(stream(50), el.Reservoir(20), 0.5):
        assert (batch["x"][3:] < seen).all()
        seen += 3


@pytest.mark.parametrize("make", [el.Reservoir, lambda n, **more: el.Reservoir(n, replace=False, **more), el.Fifo])
def test_what_is_read_ahead_is_what_is_drawn_next(make, tmp_path, monkeypatch):
    def batches(memory):
        return [batch["x"].tolist() for batch in mixed(stream(40), memory, 0.5)]

    plain = batches(make(20))
    ahead, read, drawn = [], [], OnDisk.read

    def watched(rows, slots):
        read.append(sorted(rows._places[slots, 0].tolist()))
        return drawn(rows, slots)

    monkeypatch.setattr(OnDisk, "read", watched)
    monkeypatch.setattr(Folder, "prefetch", lambda folder, name, parts: ahead.append([place for place, _ in parts]))
    memory = make(20, path=tmp_path)
    assert batches(memory) == plain
    size = memory._rows._size
    assert all({block * size for block in blocks} <= set(told) for blocks, told in zip(read, ahead[:-1], strict=True))
    assert len(read) >= 38


def test_read_ahead_is_also_where_as_many_rows_will_be_written(tmp_path, monkeypatch):
    memory, ahead, written, write = el.Fifo(100, path=tmp_path), [], [], OnDisk._write_blocks

    def watched(rows, blocks, packed):
        written.extend(blocks)
        write(rows, blocks, packed)

    batches = list(stream(30, size=7))
    for batch in batches[:-1]:
        memory.add(batch)
    monkeypatch.setattr(Folder, "prefetch", lambda folder, name, parts: ahead.extend(place for place, _ in parts))
    monkeypatch.setattr(OnDisk, "_write_blocks", watched)
    memory.prefetch(3)
    memory.add(batches[-1])
    assert len(written) == 7
    assert {block * memory._rows._size for block in written} <= set(ahead)


def test_a_resumed_run_draws_as_an_unbroken_one(tmp_path):
    whole = [batch["x"].tolist() for batch in mixed(stream(30), el.Reservoir(9), 0.3)]
    memory = el.Reservoir(9)
    first = [batch["x"].tolist() for batch in mixed(stream(13), memory, 0.3)]
    state, again = memory.state_dict(), el.Reservoir(9)
    again.load_state_dict(state)
    assert first + [batch["x"].tolist() for batch in mixed(stream(17, start=13), again, 0.3)] == whole


def test_reading_ahead_reads_and_ends(tmp_path):
    memory = el.Reservoir(100, path=tmp_path)
    memory.add({"x": torch.zeros(100, 5000)})
    memory.prefetch(0)
    memory.prefetch(200)
    reading = memory._rows._folder._reading
    memory.close()
    assert reading.exception(timeout=30) is None


def test_what_can_not_be_is_refused():
    for share in (-0.1, 1.0, 1e-5):
        with pytest.raises(el.InputError, match="share must be 0, or from 0.0001 to 0.9999"):
            next(mixed(stream(1), el.Reservoir(3), share))
    memory = el.Reservoir(3)
    memory.add({"y": torch.zeros(1)})
    with pytest.raises(el.InputError, match="column"):
        next(mixed(stream(1), memory, 0.5))
