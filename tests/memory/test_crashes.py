"""After a crash: every row that was acknowledged, no torn one, and what was saved."""

import errno
import os
import random
import signal
import time
from contextlib import suppress

import pytest
import torch
from crashing import Losing

import everlearn as el
from everlearn.memory import bounded
from everlearn.memory.folder import Folder

MAKE = {
    "fifo": lambda path: el.Fifo(6, path=path),
    "reservoir": lambda path: el.Reservoir(6, path=path, seed=1),
    "ring": lambda path: el.Ring(6, tasks=2, path=path),
    "of unlike lengths": lambda path: el.Fifo(6, path=path, padding={"text": -1}),
}
LONGEST = 90
"""Numbers of a text: with its place for what differs in length, a block has room for some 32."""
ROUNDS = min(30, int(os.environ.get("EVERLEARN_SOAK", "1")))


def rows(start, n, key=0):
    number = torch.arange(start, start + n)
    x = number[:, None] * torch.arange(1, 40)
    return {
        "n": number,
        "x": x.float(),
        "task": number // 5 % 2,
        "key": torch.full((n,), key),
        "text": text(number, LONGEST),
    }


def text(number, width):
    """Of a row: its number as often as its length says, which is anything up to the longest."""
    places = torch.arange(width)
    return torch.where(places < (number * 37 % (LONGEST + 1))[:, None], number[:, None], -1)


def held(memory):
    """The numbers of the rows, each of which must be whole."""
    found = memory.held()
    if not found:
        return []
    assert torch.equal(found["x"], (found["n"][:, None] * torch.arange(1, 40)).float())
    assert torch.equal(found["text"], text(found["n"], found["text"].shape[1]))
    assert len(found["n"].unique()) == len(memory)
    return found["n"].tolist()


@pytest.mark.parametrize("rule", MAKE)
@pytest.mark.parametrize("seed", range(20 * ROUNDS))
def test_a_lost_power_loses_nothing_that_was_acknowledged(rule, seed, tmp_path, monkeypatch):
    """Between any two writes and syncs, in any order of writing: what is found was held since the last flush."""
    chance = random.Random(f"{rule} {seed}")
    monkeypatch.setattr(bounded, "Folder", Losing)
    memory, twin = MAKE[rule](tmp_path / "memory"), MAKE[rule](None)
    monkeypatch.setattr(bounded, "Folder", Folder)
    folder = memory._rows._folder
    moments, saves, deleted, number, crashes = [[]], [], [], 0, 0

    def crash():
        nonlocal crashes
        crashes += 1
        path = tmp_path / f"crash {crashes}"
        folder.after_a_crash(path, chance)
        found = MAKE[rule](path)
        assert held(found) in moments
        for state, _, then in saves[-1:]:
            found.load_state_dict(state)
            assert held(found) in (then, [n for n in then if n not in deleted])
        found.add(rows(10_000, 3))
        held(found)
        found.close()

    folder.between = lambda: chance.random() < 0.05 and crash()
    for step in range(51):
        if step % 10 == 0:
            crash()
        match chance.choice(["add"] * 20 + ["flush", "save", "back", "delete"]):
            case "add":
                batch = rows(number, chance.randrange(1, 6))
                twin.add(batch)
                moments.append(held(twin))
                memory.add(batch)
                number += len(batch["n"])
                continue
            case "flush":
                memory.flush()
            case "save":
                saves.append((memory.state_dict(), twin.state_dict(), held(twin)))
            case "back" if saves:
                twin.load_state_dict(saves[-1][1])
                twin.delete(n=deleted)
                moments.append(held(twin))
                memory.load_state_dict(saves[-1][0])
            case "delete" if number:
                deleted.append(chance.randrange(number))
                twin.delete(n=deleted[-1])
                moments.append(held(twin))
                memory.delete(n=deleted[-1])
                saves = [(*states, [n for n in then if n != deleted[-1]]) for *states, then in saves]
            case _:
                continue
        moments = [held(memory)]
        assert moments == [held(twin)]
    assert crashes > 5


def write_until_killed(path, acknowledged, seed):
    """A child process: add rows, flush now and then, and tell what was acknowledged."""
    memory = el.Fifo(500, path=path, seed=seed, padding={"text": -1})
    chance, number = random.Random(seed), int(memory.seen)
    while True:
        n = chance.randrange(1, 20)
        memory.add(rows(number, n))
        number += n
        if chance.random() < 0.3:
            memory.flush() if chance.random() < 0.8 else memory.state_dict()
            os.pwrite(acknowledged, number.to_bytes(8, "little"), 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_a_killed_writer_loses_nothing_that_was_acknowledged(tmp_path):
    """Fifty times in the same folder, at any moment: the last rows are there, one after another."""
    chance, path = random.Random(0), tmp_path / "memory"
    acknowledged = os.open(tmp_path / "acknowledged", os.O_RDWR | os.O_CREAT)
    os.pwrite(acknowledged, bytes(8), 0)
    kills, torch_threads = 50 if ROUNDS == 1 else 1000, torch.get_num_threads()
    torch.set_num_threads(1)
    for kill in range(kills):
        child = os.fork()
        if child == 0:
            try:
                write_until_killed(path, acknowledged, kill)
            finally:
                os._exit(1)
        time.sleep(chance.random() * 0.06)
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
        memory = el.Fifo(500, path=path, padding={"text": -1})
        found = held(memory)
        told = int.from_bytes(os.pread(acknowledged, 8, 0), "little")
        assert found == list(range(memory.seen - len(found), memory.seen))
        assert len(found) == min(memory.seen, 500)
        assert memory.seen >= told
        memory.close()
    torch.set_num_threads(torch_threads)
    assert told > 0
    os.close(acknowledged)


class Failing(Folder):
    """Some of what it is asked to do fails, as on a full disk."""

    def __init__(self, path):
        super().__init__(path)
        self.fails = lambda step: False

    def write(self, name, place, data):
        if self.fails("write"):
            # A part was written.
            super().write(name, place, memoryview(data).cast("B")[: len(memoryview(data).cast("B")) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(name, place, data)

    def resize(self, name, size):
        if self.fails("resize"):
            raise OSError(errno.ENOSPC, "No space left on device")
        super().resize(name, size)

    def sync(self, name):
        if self.fails("sync"):
            raise OSError(errno.EIO, "Input/output error")
        super().sync(name)


@pytest.mark.parametrize("rule", MAKE)
@pytest.mark.parametrize("seed", range(10 * ROUNDS))
def test_a_full_disk_refuses_rows_and_loses_none(rule, seed, tmp_path, monkeypatch):
    chance = random.Random(f"{rule} {seed}")
    made = []
    monkeypatch.setattr(bounded, "Folder", lambda path: made.append(Failing(path)) or made[-1])
    memory = MAKE[rule](tmp_path)
    failed, number = 0, 0
    made[0].fails = lambda step: step != "sync" and chance.random() < 0.3
    for _ in range(60):
        before, seen = held(memory), memory.seen
        n = chance.randrange(1, 4)
        with suppress(OSError):
            memory.add(rows(number, n))
            failed -= 1
        failed += 1
        if memory.seen == seen:
            assert held(memory) == before
        number += n
    assert failed > 0
    made[0].fails = lambda step: False
    memory.flush()
    before = held(memory)
    memory.close()
    assert held(MAKE[rule](tmp_path)) == before


def test_a_disk_that_fails_to_sync_is_not_trusted_again(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(bounded, "Folder", lambda path: made.append(Failing(path)) or made[-1])
    memory = el.Fifo(6, path=tmp_path)
    memory.add(rows(0, 3))
    made[0].fails = lambda step: step == "sync"
    with pytest.raises(OSError, match="Input/output error"):
        memory.flush()
    made[0].fails = lambda step: False
    for go_on in (memory.flush, lambda: memory.add(rows(3, 1)), memory.state_dict):
        with pytest.raises(OSError, match="the disk failed before; open the memory at .* anew"):
            go_on()
    memory._rows.close()
    assert held(el.Fifo(6, path=tmp_path)) == [0, 1, 2]


class Breaking(Folder):
    """Any step of it may fail, or be interrupted."""

    armed = False
    chance = random.Random()

    def maybe(self):
        if self.armed and self.chance.random() < 0.15:
            raise self.chance.choice([OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])

    def write(self, *args):
        self.maybe()
        super().write(*args)

    def resize(self, *args):
        self.maybe()
        super().resize(*args)

    def sync(self, *args):
        self.maybe()
        super().sync(*args)

    def rename(self, *args):
        self.maybe()
        super().rename(*args)
        self.maybe()


@pytest.mark.parametrize("rule", MAKE)
@pytest.mark.parametrize("seed", range(10 * ROUNDS))
def test_whatever_fails_memory_and_disk_agree(rule, seed, tmp_path, monkeypatch):
    """Any write, sync or name may fail, or be interrupted, in any step: what goes on is what is found again."""
    chance = random.Random(f"{rule} {seed}")

    Breaking.chance = chance
    monkeypatch.setattr(bounded, "Folder", Breaking)
    memory, saves, number, reopened = MAKE[rule](tmp_path), [], 0, 0

    def step():
        match chance.choice(["add"] * 5 + ["flush", "save", "back", "delete"]):
            case "add":
                memory.add(rows(number, 2))
            case "flush":
                memory.flush()
            case "save":
                saves.append(memory.state_dict())
            case "back" if saves:
                memory.load_state_dict(saves[-1])
            case "delete":
                memory.delete(n=chance.randrange(number + 1))

    for _ in range(60):
        memory._rows._folder.armed = True
        with suppress(OSError, KeyboardInterrupt, el.InputError):
            step()
        number += 2
        memory._rows._folder.armed = False
        if memory._rows._failed is None:
            memory.flush()
            before = held(memory)
        else:
            with pytest.raises(OSError, match="anew"):
                memory.flush()
            before, reopened = None, reopened + 1
        memory._rows.close()
        memory = MAKE[rule](tmp_path)
        assert before is None or held(memory) == before
        held(memory)
    assert reopened > 0


def test_an_interrupted_first_row_is_as_if_it_had_not_come(tmp_path, monkeypatch):
    memory = el.Fifo(5, path=tmp_path)

    def interrupted(name, data):
        raise KeyboardInterrupt

    monkeypatch.setattr(memory._rows._folder, "prepare", interrupted)
    with pytest.raises(KeyboardInterrupt):
        memory.add(rows(0, 1))
    monkeypatch.undo()
    memory.add(rows(1, 2))
    memory.close()
    assert held(el.Fifo(5, path=tmp_path)) == [1, 2]
