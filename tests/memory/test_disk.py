"""A memory in a folder: the same rows as one in RAM, whatever happens to the process or the disk."""

import copy
import os
import pickle
import random
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import everlearn as el
from everlearn import checks
from everlearn.batches import join
from everlearn.memory.fitting import fitting
from everlearn.memory.reader import Reader

MEMORIES = {
    "balanced": lambda capacity, **more: el.Balanced(capacity, by="task", **more),
    "bottom-k": lambda capacity, **more: el.BottomK(capacity, key="n", **more),
    "weighted": lambda capacity, **more: el.Weighted(capacity, by="one", **more),
    "fifo": el.Fifo,
    "reservoir": el.Reservoir,
    "distinct": lambda capacity, **more: el.Reservoir(capacity, replace=False, **more),
    "ring": lambda capacity, **more: el.Ring(capacity, tasks=3, **more),
}


def numbered(start, n, **more):
    """Rows of which each shows whether it is whole."""
    number = torch.arange(start, start + n)
    return {
        "n": number,
        "x": (number[:, None] * torch.arange(1, 30)).float(),
        "flag": number % 2 == 0,
        "task": number // 7 % 3,
        "one": torch.ones(n),
        **more,
    }


def check_whole(memory):
    held = memory.held()
    if held:
        n = held["n"]
        assert n.unique().numel() == len(n) == len(memory)
        assert torch.equal(held["x"], (n[:, None] * torch.arange(1, 30)).float())
        assert torch.equal(held["flag"], n % 2 == 0)
    return held.get("n", torch.empty(0)).tolist()


@pytest.mark.parametrize("make", MEMORIES.values(), ids=MEMORIES)
def test_it_is_what_one_in_ram_is(make, tmp_path):
    ram, disk = make(12, seed=3), make(12, seed=3, path=tmp_path)
    start = 0
    for n in (1, 2, 30, 1, 1, 5, 100, 1, 7):
        for memory in (ram, disk):
            memory.add(numbered(start, n))
        start += n
        assert (len(ram), ram.seen) == (len(disk), disk.seen)
        for one, other in zip(
            (*ram.sample(4).values(), *ram.held().values()),
            (*disk.sample(4).values(), *disk.held().values()),
            strict=True,
        ):
            assert torch.equal(one, other)
            assert one.dtype is other.dtype
            assert other.is_contiguous()


@pytest.mark.parametrize("make", MEMORIES.values(), ids=MEMORIES)
def test_it_keeps_the_contract(make, tmp_path):
    rest = iter(range(100))
    checks.check_memory(lambda capacity: make(capacity, path=tmp_path / str(next(rest))), resumes=False)


@pytest.mark.parametrize("make", MEMORIES.values(), ids=MEMORIES)
def test_it_is_there_again(make, tmp_path):
    memory = make(12, path=tmp_path)
    for start in range(0, 200, 5):
        memory.add(numbered(start, 5))
    before, seen = check_whole(memory), memory.seen
    memory.close()
    again = make(12, path=tmp_path)
    assert (check_whole(again), again.seen) == (before, seen)
    again.add(numbered(200, 5))
    check_whole(again)


@pytest.mark.parametrize("make", MEMORIES.values(), ids=MEMORIES)
@pytest.mark.parametrize("reopened", [False, True])
def test_a_resumed_one_goes_on_as_the_first_did(make, reopened, tmp_path):
    memory = make(12, path=tmp_path)
    for start in range(0, 100, 5):
        memory.add(numbered(start, 5))
    state = memory.state_dict()

    def go_on():
        drawn = []
        for start in range(100, 200, 3):
            memory.add(numbered(start, 3))
            drawn += memory.sample(4)["n"].tolist()
        return drawn, check_whole(memory)

    first = go_on()
    if reopened:
        memory.close()
        memory = make(12, path=tmp_path)
    memory.load_state_dict(state)
    assert go_on() == first


def test_it_goes_back_to_its_last_saves_and_says_so_otherwise(tmp_path):
    memory = el.Reservoir(8, path=tmp_path, saves=2)
    states, held = [], []
    for start in range(0, 40, 10):
        memory.add(numbered(start, 10))
        states.append(memory.state_dict())
        held.append(check_whole(memory))
    for number in (3, 2, 3):
        memory.load_state_dict(states[number])
        assert check_whole(memory) == held[number]
    with pytest.raises(el.InputError, match="can't go back to where this was saved, only to its last 2 saves"):
        memory.load_state_dict(states[1])
    # What was gone back to is among the last saves.
    memory.load_state_dict(states[2])
    memory.state_dict()
    memory.load_state_dict(states[2])
    with pytest.raises(el.InputError, match="can't go back"):
        memory.load_state_dict(states[3])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_is_done_it_equals_one_in_ram(tmp_path_factory, seed):
    """Adding, saving, going back, deleting, opening anew: in any order."""
    chance, path = random.Random(seed), tmp_path_factory.mktemp("memory")
    make = chance.choice(list(MEMORIES.values()))
    ram, disk = make(6), make(6, path=path)
    saves, start = [], 0
    for _ in range(chance.randrange(1, 40)):
        match chance.choice(["add", "add", "add", "flush", "save", "back", "delete", "open"]):
            case "add":
                n = chance.randrange(1, 9)
                for memory in (ram, disk):
                    memory.add(numbered(start, n))
                start += n
            case "flush":
                disk.flush()
            case "save":
                saves = [*saves, (ram.state_dict(), disk.state_dict())][-2:]
            case "back" if saves:
                place = chance.randrange(len(saves))
                saves.append(saves.pop(place))
                ram.load_state_dict(saves[-1][0])
                disk.load_state_dict(saves[-1][1])
            case "delete" if start and not saves:
                gone = [chance.randrange(start) for _ in range(3)]
                assert ram.delete(n=gone) == disk.delete(n=gone)
            case "open":
                # Draws start anew, in both.
                disk.close()
                disk = make(6, path=path)
                disk._generator.set_state(ram._generator.get_state())
        assert check_whole(ram) == check_whole(disk)
        assert ram.seen == disk.seen


@pytest.mark.parametrize("make", MEMORIES.values(), ids=MEMORIES)
@pytest.mark.parametrize("on_disk", [False, True])
def test_what_is_deleted_is_gone(make, on_disk, tmp_path):
    memory = make(30, **({"path": tmp_path} if on_disk else {}))
    secret = torch.full((29,), 1234.5678)

    def batch(start):
        rows = numbered(start, 10)
        rows["x"][rows["n"] % 3 == 0] = secret
        return rows | {"key": rows["n"] % 3}

    for start in range(0, 60, 10):
        memory.add(batch(start))
    state = memory.state_dict()
    for start in range(60, 120, 10):
        memory.add(batch(start))
    before = sorted(memory.held()["n"].tolist())
    count = memory.delete(key=0)
    assert sorted(memory.held()["n"].tolist()) == [n for n in before if n % 3]
    assert count == sum(n % 3 == 0 for n in before)
    if on_disk:
        needle = secret.numpy().tobytes()
        for _ in range(2):
            assert not any(needle in file.read_bytes() for file in tmp_path.iterdir())
            # Nor do they come back with what was saved before.
            memory.load_state_dict(state)
            assert (memory.held()["n"] % 3 > 0).all()
            assert len(memory) > 5
        memory.close()
        memory = make(30, path=tmp_path)
        assert (memory.held()["n"] % 3 > 0).all()
    else:
        assert not (memory._rows._columns["x"] == secret).all(1).any()
    memory.add(batch(120))
    assert set(range(120, 130)) & set(memory.held()["n"].tolist())


def test_rows_expire(tmp_path):
    memory = el.Reservoir(50, path=tmp_path)
    memory.add(numbered(0, 40, when=torch.arange(40) * 1.5))
    assert memory.expire(older_than=30.0) == 20
    assert sorted(memory.held()["n"].tolist()) == list(range(20, 40))
    assert memory.expire(older_than=30.0) == 0
    assert memory.expire(older_than=1e9) == 20
    assert len(memory) == 0
    assert memory.sample(3) == {}
    memory.add(numbered(40, 2, when=torch.ones(2)))
    assert sorted(memory.held()["n"].tolist()) == [40, 41]


@pytest.mark.parametrize("seen", [8, 20, 60])
def test_after_a_deletion_all_that_remain_are_held_alike(seen):
    """Rows that came before it and after, over many seeds: to within some two of a hundred."""
    capacity, after, repeats = 12, 50, 6_000
    times = torch.zeros(seen + after)
    for seed in range(repeats):
        memory = el.Reservoir(capacity, seed=seed)
        memory.add({"n": torch.arange(seen), "key": (torch.arange(seen) % 3 == 0).long()})
        memory.delete(key=1)
        memory.add({"n": torch.arange(seen, seen + after), "key": torch.zeros(after).long()})
        times[memory.held()["n"]] += 1
    remain = torch.ones(seen + after, dtype=torch.bool)
    remain[:seen:3] = False
    assert times[~remain].sum() == 0
    halves = [times[remain][: seen * 2 // 3].mean(), times[seen : seen + 25].mean(), times[seen + 25 :].mean()]
    assert max(halves) / min(halves) < 1.05


def test_files_stay_within_their_bound(tmp_path):
    """A row has 256 bytes here; saves keep the rows they have, at most all of them each."""
    memory = el.Fifo(100, path=tmp_path)
    row = 256
    for start in range(0, 20_000, 50):
        memory.add(numbered(start, 50))
        assert (tmp_path / "rows").stat().st_size <= (100 + 16) * row
    assert (tmp_path / "journal").stat().st_size < 2**21
    for start in range(20_000, 30_000, 100):
        memory.add(numbered(start, 100))
        memory.state_dict()
    assert (tmp_path / "rows").stat().st_size <= (3 * 100 + 2 * 16) * row


OFFERS = 10**7 if "EVERLEARN_SOAK" in os.environ else 10**6


@pytest.mark.parametrize("rule", [el.Reservoir, el.Weighted])
def test_a_budget_of_bytes_is_kept_to_the_page(rule, tmp_path):
    """Over a million rows, or ten."""
    budget, chunk = 300_000, 5_000
    capacity = fitting(budget, numbered(0, 1))
    memory = rule(capacity, path=tmp_path, **({"by": "one"} if rule is el.Weighted else {}))
    batch = numbered(0, chunk)
    for start in range(0, OFFERS, chunk):
        memory.add(batch | {"n": torch.arange(start, start + chunk)})
        assert (tmp_path / "rows").stat().st_size <= budget
    assert len(memory) == capacity
    assert memory.seen == OFFERS
    assert (tmp_path / "rows").stat().st_size > 0.98 * budget
    assert (tmp_path / "journal").stat().st_size < 2**21


def test_a_budget_for_no_row_is_refused():
    with pytest.raises(el.InputError, match="2,000 bytes are too few for one row and 16 spare ones of 192"):
        fitting(2_000, numbered(0, 1))


def test_a_second_writer_is_refused(tmp_path):
    memory = el.Reservoir(5, path=tmp_path)
    with pytest.raises(el.InputError, match="another process is writing the memory at"):
        el.Reservoir(5, path=tmp_path)
    memory.close()
    el.Reservoir(5, path=tmp_path)


def test_what_was_closed_is_not_written_any_more(tmp_path):
    first = el.Fifo(5, path=tmp_path)
    first.add(numbered(0, 3))
    first.close()
    first.close()
    second = el.Fifo(5, path=tmp_path)
    second.add(numbered(3, 2))
    for go_on in (lambda: first.add(numbered(9, 1)), first.flush, lambda: first.delete(n=1), first.state_dict):
        with pytest.raises(el.InputError, match="this memory was closed: make it anew"):
            go_on()
    second.close()
    assert check_whole(el.Fifo(5, path=tmp_path)) == [0, 1, 2, 3, 4]


def test_a_forked_process_does_not_write_its_parents_memory(tmp_path):
    memory = el.Fifo(5, path=tmp_path)
    memory.add(numbered(0, 1))
    child = os.fork()
    if child == 0:
        try:
            memory.add(numbered(1, 1))
        except el.InputError as error:
            os._exit(17 if "another process is writing" in str(error) else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 17
    memory.add(numbered(2, 1))
    assert check_whole(memory) == [0, 2]


def test_a_relative_path_is_that_of_the_beginning(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "a")
    memory = el.Fifo(5, path="memory")
    monkeypatch.chdir(tmp_path / "b")
    memory.add(numbered(0, 2))
    memory.delete(n=0)
    memory.close()
    assert check_whole(el.Fifo(5, path=tmp_path / "a" / "memory")) == [1]
    assert not (tmp_path / "b" / "memory").exists()
    with pytest.raises(el.InputError, match="name a folder for the memory"):
        el.Fifo(5, path="")


def test_rows_that_only_a_save_holds_are_deleted_too(tmp_path):
    memory = el.Fifo(5, path=tmp_path)
    empty = memory.state_dict()
    memory.add(numbered(7, 1))
    full = memory.state_dict()
    memory.load_state_dict(empty)
    assert len(memory) == 0
    assert memory.delete(n=7) == 0
    memory.load_state_dict(full)
    assert len(memory) == 0
    assert numbered(7, 1)["x"].numpy().tobytes() not in (tmp_path / "rows").read_bytes()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"path": 3}, "path must name a folder for the memory, not 3"),
        ({"path": ""}, "path must name a folder for the memory, not ''"),
        ({"seed": "a"}, "seed must be a whole number, not 'a'"),
        ({"saves": 0}, "saves must be at least 1, not 0"),
        ({"saves": 1.5}, "saves must be a whole number, not 1.5"),
    ],
)
def test_settings_that_can_not_be(wrong, message):
    for make in MEMORIES.values():
        with pytest.raises(el.InputError, match=message):
            make(5, **wrong)


@pytest.mark.parametrize("on_disk", [False, True])
def test_rows_that_can_t_be_kept_are_refused_before_anything_is_kept(on_disk, tmp_path):
    memory = el.Fifo(3, path=tmp_path if on_disk else None)
    for bad, message in (
        ({"x": torch.zeros(2), "y": torch.zeros(1)}, "equally many rows: x has 2, y has 1"),
        ({"x": torch.tensor(3.0)}, "a batch is a mapping of columns, tensors with a row for each example, not"),
        ({"x": [1, 2]}, "a batch is a mapping of columns, tensors with a row"),
        ({1: torch.zeros(2)}, "a column's name is a string, not 1"),
        ({"x": torch.zeros(2).to(torch.float8_e5m2)}, "column 'x' is of torch.float8_e5m2, which a memory does not"),
    ):
        for offer in (memory.expect, memory.add):
            with pytest.raises(el.InputError, match=message):
                offer(bad)
    assert len(memory) == 0
    with pytest.raises(el.InputError, match="one integer a row in column 'task', not torch.bool"):
        el.Ring(4, tasks=2).add({"task": torch.tensor([True])})
    with pytest.raises(el.InputError, match="Balanced needs one integer a row"):
        el.Balanced(4).add({"y": torch.tensor([True])})


@pytest.mark.parametrize("make", MEMORIES.values(), ids=MEMORIES)
def test_where_none_remain_it_begins_anew(make):
    memory = make(20)
    memory.add(numbered(0, 5_000))
    assert memory.delete(n=range(5_000)) >= 18
    memory.add(numbered(5_000, 300))
    assert len(memory) >= 18


def test_bad_choices(tmp_path):
    memory = el.Fifo(5, path=tmp_path)
    memory.add(numbered(0, 3) | {"c": torch.zeros(3, dtype=torch.complex64)})
    for where, message in (
        ({}, "which rows"),
        ({"n": "a"}, "n='a' are no numbers"),
        ({"x": 1}, r"column 'x' is torch.float32 \(29,\) a row: rows are chosen by one real number"),
        ({"c": 1}, "column 'c' is torch.complex64"),
        ({"key": 1}, "needs the column 'key'"),
    ):
        with pytest.raises(el.InputError, match=message):
            memory.delete(**where)
    assert memory.delete(flag=True) == 2
    assert memory.held()["n"].tolist() == [1]


def test_links_and_pipes_are_refused(tmp_path):
    target = tmp_path / "precious"
    target.write_text("precious")
    for name in ("rows", "journal", "lock", "journal.part"):
        folder = tmp_path / f"with {name}"
        folder.mkdir()
        (folder / name).symlink_to(target)
        with pytest.raises(el.InputError, match="is no ordinary file"):
            el.Fifo(3, path=folder).add(numbered(0, 2))
    os.mkfifo(tmp_path / "with journal" / "pipe")
    (tmp_path / "with journal" / "journal").unlink()
    (tmp_path / "with journal" / "pipe").rename(tmp_path / "with journal" / "journal")
    with pytest.raises(el.InputError, match="is no ordinary file"):
        el.Fifo(3, path=tmp_path / "with journal")
    assert target.read_text() == "precious"


def test_a_memory_on_disk_can_t_be_copied(tmp_path):
    memory = el.Fifo(3, path=tmp_path)
    for copied in (copy.deepcopy, pickle.dumps):
        with pytest.raises(el.InputError, match="a memory on disk can't be copied"):
            copied(memory)
    memory.add(numbered(0, 2))
    reader = pickle.loads(pickle.dumps(Reader(tmp_path)))
    assert sorted(reader.held()["n"].tolist()) == [0, 1]


def test_many_saves_are_read_quickly(tmp_path):
    memory = el.Fifo(2_000, path=tmp_path)
    memory.add(numbered(0, 2_000))
    for _ in range(300):
        memory.state_dict()
    reader, began = Reader(tmp_path), time.process_time()
    reader.sample(3)
    memory.state_dict()
    reader.sample(3)
    # Each save made a table of all rows before, which took some 5 seconds.
    assert time.process_time() - began < 1.5


@pytest.mark.parametrize("dtype", [torch.uint16, torch.uint32])
@pytest.mark.parametrize("padding", [{}, {"tokens": 0}], ids=["one length", "padded"])
def test_tokens_without_a_sign(dtype, padding, tmp_path):
    tokens = (torch.arange(1, 41).reshape(10, 4) + 2**16 - 30).to(dtype)
    for memory in (el.Reservoir(6, padding=padding), el.Reservoir(6, padding=padding, path=tmp_path)):
        memory.add({"tokens": tokens, "n": torch.arange(10), "kind": torch.arange(10).to(dtype)})
        state = memory.state_dict()
        assert memory.delete(kind=[int(memory.held()["n"][0])]) == 1
        memory.load_state_dict(state)
        drawn = memory.sample(50)
        assert drawn["tokens"].dtype == dtype
        assert torch.equal(drawn["tokens"].long(), tokens.long()[drawn["n"]])
        assert join(drawn, drawn)["tokens"].dtype == dtype
