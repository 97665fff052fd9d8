"""Reading beside a writer: whole rows, that were held at some moment; and damage, which is told."""

import os
import pickle
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
    with pytest.raises(el.InputError, match="n must be at least 0, not -1"):
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


def test_what_is_known_may_be_some_seconds_old_but_never_shows_what_was_deleted(tmp_path):
    memory = el.Fifo(5, path=tmp_path)
    memory.add(rows(0, 5))
    reader, fresh = Reader(tmp_path, age=3600.0), Reader(tmp_path)
    memory.add(rows(5, 2))
    assert sorted(reader.held()["n"].tolist()) == [0, 1, 2, 3, 4]
    assert sorted(fresh.held()["n"].tolist()) == [2, 3, 4, 5, 6]
    memory.delete(n=3)
    assert sorted(reader.held()["n"].tolist()) == [2, 4, 5, 6]
    with pytest.raises(el.InputError, match="age must be at least 0"):
        Reader(tmp_path, age=-1.0)


class _Drawn(torch.utils.data.Dataset):
    def __init__(self, path):
        self.reader = Reader(path, seed=1)
        self.reader.sample(1)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.reader.sample(20)["n"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_workers_draw_rows_of_their_own_and_others_in_each_epoch(tmp_path):
    memory = el.Fifo(1000, path=tmp_path)
    memory.add({"n": torch.arange(1000)})

    def epochs():
        torch.manual_seed(0)
        loader = torch.utils.data.DataLoader(_Drawn(tmp_path), num_workers=2, multiprocessing_context="fork")
        return [tuple(drawn[0].tolist()) for _ in range(2) for drawn in loader]

    first = epochs()
    assert len({*first}) == 8
    assert first == epochs()


def test_a_copy_that_another_process_gets_reads_and_draws_likewise(tmp_path):
    memory = el.Fifo(100, path=tmp_path)
    memory.add({"n": torch.arange(100)})
    reader = Reader(tmp_path, seed=3, age=3600.0)
    copied = pickle.loads(pickle.dumps(reader))
    memory.delete(n=4)
    memory.add({"n": torch.arange(1)})
    assert torch.equal(copied.sample(5)["n"], reader.sample(5)["n"])
    assert len(copied) == 100
