"""Files that a stranger hands over: read, or refused; never a crash, a hang, or rows that were not written."""

import json
import os
import random
from contextlib import suppress

import pytest
import torch

import everlearn as el
from everlearn.memory.journal import entries, framed
from everlearn.memory.reader import Reader
from everlearn.memory.reopen import reopen

ROUNDS = int(os.environ.get("EVERLEARN_SOAK", "1"))


def rows(start, n):
    number = torch.arange(start, start + n)
    text = torch.where(torch.arange(60) < (number * 7 % 60)[:, None], number[:, None], -1)
    return {"n": number, "x": (number[:, None] * torch.arange(1, 9)).float(), "task": number % 2, "text": text}


@pytest.fixture(scope="module", params=[{}, {"padding": {"text": -1}}], ids=["of one length", "of unlike lengths"])
def more(request):
    return request.param


@pytest.fixture(scope="module")
def whole(tmp_path_factory, more):
    """A memory's files: rows, a save, rows since, some of them not flushed."""
    path = tmp_path_factory.mktemp("whole")
    memory = el.Balanced(6, by="task", path=path, **more)
    memory.add(rows(0, 10))
    memory.state_dict()
    memory.add(rows(10, 5))
    memory.flush()
    memory.add(rows(15, 2))
    return {name: (path / name).read_bytes() for name in ("journal", "rows")}


def check(path):
    """What is read is whole, or all is refused."""
    found = []
    try:
        reader = Reader(path)
        found = [reader.held(), reader.sample(3)]
        reader.damaged()
    except el.InputError:
        pass
    for batch in found:
        if batch:
            assert torch.equal(batch["x"], (batch["n"][:, None] * torch.arange(1, 9)).float())
            assert torch.equal((batch["text"] == batch["n"][:, None]).sum(1), batch["n"] * 7 % 60)


def flipped(data, chance):
    data = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 5, 40])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    if chance.random() < 0.3:
        del data[chance.randrange(len(data)) :]
    return bytes(data)


def test_flipped_bits_and_cut_files(whole, tmp_path):
    chance = random.Random(0)
    for _ in range(1000 * ROUNDS):
        for name, data in whole.items():
            (tmp_path / name).write_bytes(data)
        name = chance.choice(list(whole))
        (tmp_path / name).write_bytes(flipped(whole[name], chance))
        check(tmp_path)


ODD = [None, -1, 0, 1, 7, 2**31, 2**63, 2**70, 1.5, float("inf"), float("nan"), "", "x", "AAAA", [], [[]], {}, True]


def changed(value, chance):
    """The same JSON with one place in it replaced."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        if chance.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return value | {key: changed(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        place = chance.randrange(len(value))
        return [*value[:place], changed(value[place], chance), *value[place + 1 :]]
    return chance.choice(ODD)


def test_entries_that_say_something_else(whole, tmp_path):
    """With right checksums, as a crash never leaves them."""
    chance = random.Random(1)
    told = list(entries(whole["journal"]))
    (tmp_path / "rows").write_bytes(whole["rows"])
    for _ in range(1000 * ROUNDS):
        place = chance.randrange(len(told))
        entry = changed(told[place], chance)
        if not isinstance(entry, dict):
            continue
        journal = [*told[:place], entry, *told[place + 1 :]]
        (tmp_path / "journal").write_bytes(b"".join(map(framed, journal)))
        check_refused_or_whole(tmp_path)


def check_refused_or_whole(path):
    """Rows may lie at another place than before, but none may be made up."""
    try:
        reader = Reader(path)
        held = reader.held()
    except el.InputError:
        return
    if "x" in held and held["x"].shape[1:] == (8,) and held["x"].dtype == torch.float32 and "n" in held:
        assert len(held["n"]) <= len(reader)


@pytest.mark.parametrize(
    "journal",
    [
        b"",
        b"\0" * 100,
        framed({}),
        framed({"format": "everlearn memory 1"}),
        b"\xff" * 8,
        framed({"a": json.loads("[" * 400 + "]" * 400)}),
    ],
)
def test_what_is_no_memory(journal, tmp_path):
    (tmp_path / "journal").write_bytes(journal)
    for read in (Reader, reopen, lambda path: el.Fifo(3, path=path)):
        with pytest.raises(el.InputError, match="can't be read, its journal is damaged"):
            read(tmp_path)


def test_an_unknown_kind(tmp_path, whole):
    head, *rest = entries(whole["journal"])
    for rule in ({"name": "eidetic", "capacity": 6}, {"name": "fifo", "size": 6}):
        (tmp_path / "journal").write_bytes(b"".join(map(framed, [head | {"rule": rule}, *rest])))
        (tmp_path / "rows").write_bytes(whole["rows"])
        with pytest.raises(el.InputError, match="of a kind that is not known here"):
            reopen(tmp_path)


@pytest.mark.parametrize("kind", ["balanced", "bottom-k", "fifo", "reservoir", "ring", "weighted"])
def test_every_kind_is_known_by_its_folder(kind, tmp_path):
    made = {
        "balanced": lambda: el.Balanced(6, by="task", path=tmp_path),
        "bottom-k": lambda: el.BottomK(6, key="n", path=tmp_path),
        "fifo": lambda: el.Fifo(6, path=tmp_path),
        "reservoir": lambda: el.Reservoir(6, path=tmp_path),
        "ring": lambda: el.Ring(6, tasks=2, path=tmp_path),
        "weighted": lambda: el.Weighted(6, by="n", path=tmp_path),
    }[kind]()
    made.add(rows(1, 9))
    held = made.held()["n"].tolist()
    made.close()
    again = reopen(tmp_path)
    assert type(again) is type(made)
    assert again.held()["n"].tolist() == held


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -5, 1e11, 1e30, 0.5, 2**63])
@pytest.mark.parametrize("name", ["held 0", "of 1", "task x", "held x", "seen"])
def test_counters_that_no_rule_leaves(name, value, whole, more, tmp_path):
    head, *_ = entries(whole["journal"])
    head["counters"] = head["counters"] | {name: value}
    (tmp_path / "journal").write_bytes(framed(head))
    (tmp_path / "rows").write_bytes(whole["rows"])
    with suppress(el.InputError):
        memory = el.Balanced(6, by="task", path=tmp_path, **more)
        assert len(memory.held().get("n", ())) == len(memory) <= 6


@pytest.mark.parametrize("shape", [[0, 2**62, 2**62], [0, 2**70], [2**45], [-1]])
def test_shapes_that_no_row_has(shape, whole, tmp_path):
    head, *_ = entries(whole["journal"])
    head["columns"] = {"x": ["float32", shape]}
    (tmp_path / "journal").write_bytes(framed(head))
    (tmp_path / "rows").write_bytes(whole["rows"])
    with pytest.raises(el.InputError, match="its journal is damaged: these are no columns"):
        el.Balanced(6, by="task", path=tmp_path)


def test_a_capacity_that_a_stranger_made_up(tmp_path):
    el.Fifo(6, path=tmp_path).close()
    head, *_ = entries((tmp_path / "journal").read_bytes())
    head["rule"] = head["rule"] | {"capacity": 10**15}
    (tmp_path / "journal").write_bytes(framed(head))
    with pytest.raises(el.InputError, match="room for 1,000,000,000,000,000 rows: make it by its class"):
        reopen(tmp_path)
