"""Files that a stranger hands over: read, or refused; never a crash, a hang, or rows that were not written."""

import json
import os
import random
from contextlib import suppress

import pytest
import torch

import everlearn as el
from everlearn.cli import main
from everlearn.memory.folder import Folder
from everlearn.memory.journal import FLUSHED, entries, framed
from everlearn.memory.reader import Reader
from everlearn.memory.reopen import reopen
from everlearn.memory.state import recall

ROUNDS = int(os.environ.get("EVERLEARN_SOAK", "1"))


def rows(start, n):
    number = torch.arange(start, start + n)
    text = torch.where(torch.arange(60) < (number * 7 % 60)[:, None], number[:, None], -1)
    return {"n": number, "x": (number[:, None] * torch.arange(1, 9)).float(), "task": number % 2, "text": text}


@pytest.fixture(scope="module", params=[{}, {"padding": {"text": -1}}], ids=["of one length", "of unlike lengths"])
def more(request):
    return request.param


HELD: list[set[int]] = []
"""The rows at the last flush of the memory below, and at its end."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory, more):
    """A memory's files: rows, a save, rows since, some of them not flushed."""
    path = tmp_path_factory.mktemp("whole")
    memory = el.Balanced(6, by="task", path=path, **more)
    memory.add(rows(0, 10))
    memory.state_dict()
    memory.add(rows(10, 5))
    memory.flush()
    HELD[:] = [{*memory.held()["n"].tolist()}]
    memory.add(rows(15, 2))
    HELD.append({*memory.held()["n"].tolist()})
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


def test_one_flipped_bit_loses_no_row_that_was_flushed(whole, more, tmp_path):
    """It is refused, or found whole, wherever the bit is: only what is behind the last flush may be a crash's end."""
    (tmp_path / "journal").write_bytes(whole["journal"])
    (tmp_path / "rows").write_bytes(whole["rows"])
    at_the_end, refused = whole["journal"].rfind(framed(FLUSHED)), 0
    for place in range(0, len(whole["journal"]), 3):
        data = bytearray(whole["journal"])
        data[place] ^= 1 << place % 8
        (tmp_path / "journal").write_bytes(data)
        if place < at_the_end:
            with pytest.raises(el.InputError, match="its journal is damaged"):
                Reader(tmp_path)
            refused += 1
        else:
            assert found(tmp_path) in HELD
    assert refused > 150


def found(path):
    return {*Reader(path).held()["n"].tolist()}


def test_a_writer_refuses_a_row_that_is_damaged_until_it_is_mended(whole, tmp_path):
    """Drawn or chosen: a key that the disk has changed deletes no other's row, and keeps none that is to go."""
    for name, data in whole.items():
        (tmp_path / name).write_bytes(data)
    memory = reopen(tmp_path)
    state = memory.state_dict()
    memory.close()
    data = bytearray((tmp_path / "rows").read_bytes())
    block = int(recall(Folder(tmp_path)).places[0, 1])
    data[block * memory._rows._size] ^= 1
    (tmp_path / "rows").write_bytes(data)
    memory = reopen(tmp_path)
    for use in (
        memory.held,
        lambda: memory.sample(60),
        lambda: memory.delete(n=3),
        lambda: memory.expire(3, column="n"),
    ):
        for _ in range(2):
            with pytest.raises(el.InputError, match="are damaged: everlearn memory check tells how many, and lets go"):
                use()
    assert main(["memory", "check", str(tmp_path)]) == 1
    assert memory.mend() == 1
    assert main(["memory", "check", str(tmp_path)]) == 0
    assert len(memory) == len(memory.held()["n"]) == 5
    memory.load_state_dict(state)
    assert len(memory) == len(memory.held()["n"]) == 5
    assert memory.delete(n=memory.held()["n"][:2]) == 2
    assert memory.mend() == 0


def test_a_terminal_mends_too(whole, tmp_path, capsys):
    for name, data in whole.items():
        (tmp_path / name).write_bytes(data)
    reopen(tmp_path).close()
    (tmp_path / "rows").write_bytes(bytes(len((tmp_path / "rows").read_bytes())))
    assert main(["memory", "check", str(tmp_path)]) == 1
    assert main(["memory", "check", str(tmp_path), "--mend"]) == 0
    assert "6 damaged rows deleted\n0 rows held, 0 damaged" in capsys.readouterr().out


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
    told, _ = entries(whole["journal"])
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
    head, *rest = entries(whole["journal"])[0]
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
    head, *_ = entries(whole["journal"])[0]
    head["counters"] = head["counters"] | {name: value}
    (tmp_path / "journal").write_bytes(framed(head))
    (tmp_path / "rows").write_bytes(whole["rows"])
    with suppress(el.InputError):
        memory = el.Balanced(6, by="task", path=tmp_path, **more)
        assert len(memory.held().get("n", ())) == len(memory) <= 6


@pytest.mark.parametrize("shape", [[0, 2**62, 2**62], [0, 2**70], [2**45], [-1]])
def test_shapes_that_no_row_has(shape, whole, tmp_path):
    head, *_ = entries(whole["journal"])[0]
    head["columns"] = {"x": ["float32", shape]}
    (tmp_path / "journal").write_bytes(framed(head))
    (tmp_path / "rows").write_bytes(whole["rows"])
    with pytest.raises(el.InputError, match="its journal is damaged: these are no columns"):
        el.Balanced(6, by="task", path=tmp_path)


def test_a_capacity_that_a_stranger_made_up(tmp_path):
    el.Fifo(6, path=tmp_path).close()
    head, *_ = entries((tmp_path / "journal").read_bytes())[0]
    head["rule"] = head["rule"] | {"capacity": 10**15}
    (tmp_path / "journal").write_bytes(framed(head))
    with pytest.raises(el.InputError, match="room for 1,000,000,000,000,000 rows: make it by its class"):
        reopen(tmp_path)


RAM = {
    "counters beyond all rows": lambda state: state["counters"].update(held=5e8),
    "no counters": lambda state: state.pop("counters"),
    "counters that are none": lambda state: state.update(counters=7),
    "marks too few": lambda state: state.update(marks=state["marks"][:3]),
    "columns too short": lambda state: state["columns"].update(n=torch.arange(3)),
    "columns that are none": lambda state: state.update(columns={"n": "x"}),
    "another column": lambda state: state["columns"].update(z=state["columns"].pop("x")),
    "another shape": lambda state: state["columns"].update(x=torch.zeros(6, 3)),
    "a generator that is none": lambda state: state.update(generator=torch.zeros(3)),
    "a rule that is none": lambda state: state.update(rule=3),
    "nothing": lambda state: state.clear(),
}


@pytest.mark.parametrize("change", RAM.values(), ids=RAM)
def test_a_state_in_ram_that_a_stranger_made_changes_nothing(change):
    memory = el.Reservoir(6)
    memory.add(rows(0, 9))
    before = memory.held()["n"].tolist()
    state = memory.state_dict()
    change(state)
    with pytest.raises(
        el.InputError, match="the state of a memory|the saved memory|column '. '|is not in every batch|changed"
    ):
        memory.load_state_dict(state)
    assert memory.held()["n"].tolist() == before
    memory.add(rows(9, 3))
    assert len(memory.sample(4)["n"]) == 4
