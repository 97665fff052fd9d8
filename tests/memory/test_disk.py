"""A memory in a folder: the same rows as one in RAM, whatever happens to the process or the disk."""

import os
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import everlearn as el
from everlearn import checks
from everlearn.memory.fitting import fitting

MEMORIES = {
    "balanced": lambda capacity, **more: el.Balanced(capacity, by="task", **more),
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
    """A row has 320 bytes here; saves keep the rows they have, at most all of them each."""
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
