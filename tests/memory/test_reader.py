"""Reading beside a writer: whole rows, that were held at some moment; and damage, which is told."""

import os
import signal
import time

import pytest
import torch

import everlearn as el
from everlearn.memory.reader import Reader


def rows(start, n):
    number = torch.arange(start, start + n)
    return {"n": number, "x": (number[:, None] * torch.arange(1, 300)).float()}


def is_whole(batch):
    return torch.equal(batch["x"], (batch["n"][:, None] * torch.arange(1, 300)).float())


def test_it_sees_what_is_added_and_deleted_and_gone_back_to(tmp_path):
    with pytest.raises(el.InputError, match="is not a folder"):
        Reader(tmp_path / "nothing")
    memory = el.Fifo(5, path=tmp_path / "memory")
    reader = Reader(tmp_path / "memory")
    assert (len(reader), reader.sample(3), reader.held()) == (0, {}, {})
    assert reader.rule == {"name": "fifo", "capacity": 5}
    memory.add(rows(0, 7))
    assert sorted(reader.held()["n"].tolist()) == [2, 3, 4, 5, 6]
    state = memory.state_dict()
    assert (reader.seen, reader.saves) == (7, 1)
    memory.add(rows(7, 2))
    memory.delete(n=7)
    assert sorted(reader.held()["n"].tolist()) == [4, 5, 6, 8]
    memory.load_state_dict(state)
    assert sorted(reader.held()["n"].tolist()) == [2, 3, 4, 5, 6]
    assert reader.damaged() == 0
    with pytest.raises(el.InputError, match="cannot sample -1"):
        reader.sample(-1)


def test_draws_are_uniform_copies(tmp_path):
    memory = el.Fifo(4, path=tmp_path)
    memory.add(rows(0, 4))
    reader = Reader(tmp_path)
    times = torch.bincount(torch.cat([reader.sample(4)["n"] for _ in range(1000)]), minlength=4)
    assert (times - 1000).abs().max() < 5 * (4000 * 3 / 16) ** 0.5
    reader.sample(4)["n"].fill_(9)
    assert memory.held()["n"].tolist() == [0, 1, 2, 3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_beside_a_writer_that_replaces_rows_all_the_time(tmp_path):
    memory = el.Fifo(20, path=tmp_path)
    memory.add(rows(0, 20))
    memory.close()
    child = os.fork()
    if child == 0:
        memory, number = el.Fifo(20, path=tmp_path), 20
        while True:
            memory.add(rows(number, 3))
            number += 3
            if number % 20 == 2:
                memory.flush()
    try:
        reader, last, end = Reader(tmp_path), 0, time.monotonic() + 1.5
        while time.monotonic() < end:
            for batch in (reader.sample(10), reader.held()):
                assert is_whole(batch)
                assert int(batch["n"].max()) >= last - 20
                last = max(last, int(batch["n"].max()))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert last > 100


def test_damage_is_told(tmp_path):
    memory = el.Fifo(5, path=tmp_path)
    memory.add(rows(0, 5))
    memory.close()
    with (tmp_path / "rows").open("r+b") as file:
        file.seek(10)
        file.write(b"\x01\x02")
    reader = Reader(tmp_path)
    assert reader.damaged() == 1
    with pytest.raises(el.InputError, match="are damaged: everlearn memory check tells how many"):
        reader.held()
