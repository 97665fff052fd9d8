"""Columns whose rows differ in length: only what a row has is kept, and what is read is a batch again."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import everlearn as el
from everlearn.alignment import Meter
from everlearn.cli import main
from everlearn.memory.fitting import fitting
from everlearn.memory.journal import entries, framed
from everlearn.memory.padding import APIECE
from everlearn.memory.reader import Reader
from everlearn.memory.reopen import reopen

PADDING = {"tokens": 0, "labels": -100, "boxes": 0.5}


def rows(lengths, start=1, width=None, boxes=None):
    """Tokens and labels of some length, and half as many boxes of four numbers."""
    n, width = len(lengths), width or max(lengths)
    boxes = max(1, max(lengths) // 2) if boxes is None else boxes
    number = torch.arange(start, start + n)
    is_token = torch.arange(width) < torch.tensor(lengths)[:, None]
    is_box = torch.arange(boxes) < torch.tensor(lengths)[:, None] // 2
    return {
        "n": number,
        "tokens": torch.where(is_token, number[:, None] + torch.arange(width), 0),
        "boxes": torch.where(is_box[:, :, None], torch.rand(n, boxes, 4) + 1, 0.5),
        "labels": torch.where(is_token & (torch.arange(width) % 3 != 2), number[:, None], -100),
        "vector": torch.rand(n, 3, 2, dtype=torch.float64),
    }


def cut(batch, name, row):
    """What a row has, without what follows its last element."""
    values = batch[name][row]
    own = (values != PADDING[name]).reshape(len(values), -1).any(1).nonzero().flatten()
    return values[: int(own[-1]) + 1 if len(own) else 0]


def both(tmp_path, capacity=50, padding=PADDING, make=el.Reservoir):
    return make(capacity, padding=padding), make(capacity, path=tmp_path, padding=padding)


def test_what_is_read_is_what_was_given(tmp_path):
    for memory in both(tmp_path):
        offered = [rows([3, 9, 1], 1), rows([200, 7], 4, width=300), rows([5], 6), rows([1], 7)]
        for batch in offered:
            memory.add(batch)
        held = memory.held()
        assert list(held) == list(offered[0])
        assert held["n"].tolist() == list(range(1, 8))
        assert held["tokens"].shape == held["labels"].shape == (7, 200)
        assert held["boxes"].shape == (7, 100, 4)
        for batch in offered:
            for row, number in enumerate(batch["n"].tolist()):
                assert torch.equal(held["vector"][number - 1], batch["vector"][row])
                for name in PADDING:
                    assert held[name].dtype is batch[name].dtype
                    assert torch.equal(cut(held, name, number - 1), cut(batch, name, row))


def test_columns_of_one_length_stay_of_one_length():
    """A row's last labels may be padding, which does not make it shorter than its tokens."""
    memory = el.Fifo(4, padding={"tokens": 0, "labels": -100})
    memory.add({"tokens": torch.tensor([[7, 8, 9, 0, 0]]), "labels": torch.tensor([[-100, 4, -100, -100, -100]])})
    assert memory.held()["tokens"].tolist() == [[7, 8, 9]]
    assert memory.held()["labels"].tolist() == [[-100, 4, -100]]


def test_rows_that_are_all_padding_are_one_element_of_it(tmp_path):
    for memory in both(tmp_path, padding={"tokens": 0}):
        memory.add({"tokens": torch.zeros(1, 0, dtype=torch.int32), "n": torch.arange(1)})
        assert memory.sample(1)["tokens"].shape == (1, 0)
        memory.add({"tokens": torch.zeros(2, 7, dtype=torch.int32), "n": torch.arange(2)})
        memory.delete(n=0)
        memory.add({"tokens": torch.zeros(2, 7, dtype=torch.int32), "n": torch.arange(2)})
        assert torch.equal(memory.sample(5)["tokens"], torch.zeros(3, 1, dtype=torch.int32))


@settings(max_examples=40, deadline=None)
@given(
    batches=st.lists(st.lists(st.integers(0, 90), min_size=1, max_size=5), min_size=1, max_size=12),
    seed=st.integers(0, 10),
)
def test_on_disk_it_is_what_it_is_in_ram(batches, seed, tmp_path_factory):
    ram, disk = both(tmp_path_factory.mktemp("memory"), 7)
    start, state = 1, None
    for number, lengths in enumerate(batches):
        batch = rows(lengths, start, width=max(1, *lengths))
        start += len(lengths)
        for memory in (ram, disk):
            memory.add(batch)
            if number % 5 == 3:
                memory.delete(n=[start - 1, start - 3])
        if number == seed:
            state = ram.state_dict(), disk.state_dict()
        check_alike(ram, disk)
    if state:
        ram.load_state_dict(state[0])
        disk.load_state_dict(state[1])
        # Rows that were deleted since do not come back on disk.
        if not any(number % 5 == 3 for number in range(seed + 1, len(batches))):
            check_alike(ram, disk)


def check_alike(ram, disk):
    reader = Reader(disk._rows._folder.path)
    for one, other in ((ram.held(), disk.held()), (ram.sample(4), disk.sample(4))):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    held = reader.held()
    assert sorted(held["n"].tolist() if held else []) == sorted(ram.held()["n"].tolist() if len(ram) else [])
    assert reader.damaged() == 0


def test_a_row_takes_the_space_of_its_own_length(tmp_path):
    """4,000 texts of which one is long: in RAM their numbers, on disk with half a block each and a sixteenth spare."""
    lengths = torch.randint(1, 40, (4000,), generator=torch.Generator().manual_seed(0)).tolist()
    lengths[1000] = 5000
    own = 8 * (sum(lengths) + 2 * len(lengths))
    ram, disk = both(tmp_path, 4000, {"tokens": 0})
    for memory in (ram, disk):
        for start in range(0, 4000, 100):
            some = lengths[start : start + 100]
            batch = rows(some, start + 1)
            memory.add({"n": batch["n"], "tokens": batch["tokens"], "length": torch.tensor(some)})
    assert ram.nbytes == own + 4000 * APIECE
    blocks = sum(-(-(48 + 8 * length) // (48 + 256)) for length in lengths)
    assert (tmp_path / "rows").stat().st_size <= 304 * (blocks * 17 / 16 + 216)
    assert blocks * 304 < own * 2


def test_blocks_are_used_again(tmp_path):
    """Rows come and go for long: the file is no longer than the most that was held, and a sixteenth."""
    memory = el.Fifo(40, path=tmp_path, padding={"tokens": 0})
    chance = torch.Generator().manual_seed(0)
    for start in range(0, 20_000, 10):
        lengths = torch.randint(1, 300, (10,), generator=chance).tolist()
        memory.add({"n": torch.arange(10), "tokens": rows(lengths, start + 1)["tokens"]})
    most = 40 * -(-(32 + 8 * 300) // (32 + 256))
    assert (tmp_path / "rows").stat().st_size <= 288 * (most + 10 * 9 + 40)


def test_deleted_rows_leave_no_bytes(tmp_path):
    memory = el.Fifo(50, path=tmp_path, padding={"text": 0})
    memory.state_dict()
    for key in range(60):
        text = torch.tensor([list(f"secret of {key:02}, ".encode()) * 40], dtype=torch.uint8)
        memory.add({"key": torch.tensor([key]), "text": text})
        if key == 30:
            memory.state_dict()
    assert b"secret of 30" in (tmp_path / "rows").read_bytes()
    assert memory.delete(key=[30, 5, 58]) == 2
    content = (tmp_path / "rows").read_bytes()
    assert not any(b"secret of %02d" % key in content for key in (30, 5, 58))
    assert b"secret of 31" in content


def test_it_is_there_again_and_by_its_folder_alone(tmp_path):
    memory = el.Weighted(9, by="n", path=tmp_path, padding=PADDING)
    memory.add(rows([4, 80, 2, 33], 1))
    before = memory.held()
    memory.close()
    again = reopen(tmp_path)
    assert all(torch.equal(values, before[name]) for name, values in again.held().items())
    again.add(rows([400], 5))
    again.close()
    with pytest.raises(el.InputError, match=r"is a weighted of capacity 9, by n, padding .*, not a weighted of"):
        el.Weighted(9, by="n", path=tmp_path)


def test_a_checkpoint_keeps_what_rows_have(tmp_path):
    """Rows of unlike lengths are saved one after another, not padded to the longest."""

    one, other = learner(el.ER(3)), learner(el.ER(3))
    for start in range(30):
        one.learn(sequences(start))
    one.save(tmp_path / "ckpt")
    other.load(tmp_path / "ckpt")
    assert one.memory.state_dict()["columns"]["x"].ndim == 1
    for start in range(30, 40):
        one.learn(sequences(start))
        other.learn(sequences(start))
    assert torch.equal(one.model.weight, other.model.weight)
    for name, values in one.memory.held().items():
        assert torch.equal(values, other.memory.held()[name])


class Mean(nn.Module):
    """A weight times the mean of what a sequence has."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.weight * x.sum(1) / (x != 0).sum(1)


def learner(method):
    model = Mean()
    memory = el.Reservoir(20, padding={"x": 0.0})
    return el.Learner(model, torch.optim.SGD(model.parameters(), lr=0.1), el.squared, memory=memory, method=method)


def sequences(start):
    chance = torch.Generator().manual_seed(start)
    lengths = torch.randint(1, 20, (2,), generator=chance)
    x = torch.rand(2, int(lengths.max()), generator=chance) + 0.5
    x = torch.where(torch.arange(x.shape[1]) < lengths[:, None], x, 0)
    return {"x": x, "y": x.sum(1) / lengths}


@pytest.mark.parametrize(
    "method", [el.ER(3), el.MER(2, 3, 0.5), el.MERBig(2, 3), el.MERCurrent(2, 3), el.MERBatches(4, 3)]
)
def test_methods_learn_from_sequences(method):
    learns = learner(method)
    for start in range(150):
        losses = learns.learn(sequences(start))
    assert losses.max() < 0.01


@pytest.mark.parametrize(
    ("padding", "batch", "message"),
    [
        ({"z": 0}, {"x": torch.ones(2, 3)}, "padding= needs the column 'z'; this batch has: x"),
        ({"x": 0}, {"x": torch.ones(2)}, "column 'x' can't be padded: it has one number a row"),
        (
            {"x": -1},
            {"x": torch.ones(2, 3, dtype=torch.uint8)},
            "column 'x' can't be padded with -1, which torch.uint8",
        ),
        ({"x": 0}, {"x": torch.ones(2, 3, 0)}, "column 'x' has elements without a number"),
    ],
)
def test_columns_that_can_not_be_padded(padding, batch, message, tmp_path):
    for memory in both(tmp_path, padding=padding):
        with pytest.raises(el.InputError, match=message):
            memory.add(batch)
        assert len(memory) == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "0", None, [0], 2**63 - 1, 10**400, 0j, torch.zeros(2)])
def test_numbers_that_nothing_is_padded_with(value):
    with pytest.raises(el.InputError, match="column 'x' can't be padded with .*: give one number"):
        el.Fifo(3, padding={"x": value})


@pytest.mark.parametrize("padding", [0, "x", ["x"]])
def test_what_is_no_padding(padding):
    with pytest.raises(el.InputError, match="padding= names columns and their padding, such as"):
        el.Fifo(3, padding=padding)


@pytest.mark.parametrize("value", [np.int64(7), np.float32(7), torch.tensor(7), 7.0])
def test_any_number_will_do(value, tmp_path):
    for memory in both(tmp_path, padding={"x": value}):
        memory.add({"x": torch.tensor([[1, 2, 7, 7]])})
        assert memory.held()["x"].tolist() == [[1, 2]]


@pytest.mark.parametrize("dtype", [torch.bool, torch.bfloat16, torch.float16, torch.complex64, torch.int8])
def test_other_dtypes(dtype, tmp_path):
    x = torch.tensor([[[1, 0], [1, 1], [0, 0]], [[0, 0], [0, 0], [0, 0]]]).to(dtype)
    for memory in both(tmp_path, padding={"x": 0}):
        memory.add({"x": x.conj() if dtype.is_complex else x.transpose(0, 1).contiguous().transpose(0, 1)})
        assert torch.equal(memory.held()["x"], x[:, :2])


def test_rows_that_come_in_inference_mode(tmp_path):
    """Where a server learns from what it has just predicted."""
    for memory in both(tmp_path, padding={"x": 0}):
        memory.add({"x": torch.ones(1, 3), "key": torch.tensor([7])})
        with torch.inference_mode():
            memory.add({"x": torch.ones(1, 300) * 2, "key": torch.tensor([8])})
        memory.add({"x": torch.ones(1, 5) * 3, "key": torch.tensor([9])})
        assert memory.delete(key=8) == 1
        assert memory.held()["key"].tolist() == [7, 9]


def test_one_that_was_emptied_knows_its_columns_when_it_is_loaded(tmp_path):
    one, other = el.Fifo(4, padding={"x": 0}), el.Fifo(4, padding={"x": 0})
    one.add({"x": torch.ones(2, 3), "key": torch.zeros(2)})
    one.delete(key=0)
    other.load_state_dict(one.state_dict())
    with pytest.raises(el.InputError, match="column 'x' changed"):
        other.add({"x": torch.ones(2, 3).double(), "key": torch.zeros(2)})


def test_long_rows_take_few_blocks(tmp_path):
    """A quarter of the first rows' length each, so that what a row costs does not grow with it."""
    memory = el.Fifo(5, path=tmp_path, padding={"x": 0})
    memory.add({"x": torch.ones(2, 100_000)})
    memory.add({"x": torch.ones(1, 150_000)})
    assert len(memory._rows._state.after) < 64
    assert (memory.held()["x"] != 0).sum(1).tolist() == [100_000, 100_000, 150_000]


@pytest.mark.parametrize(("capacity", "padding"), [(1530, {"x": 0}), (2030, None)])
def test_seldom_a_flush_for_want_of_a_block(capacity, padding, tmp_path, monkeypatch):
    memory = el.Fifo(capacity, path=tmp_path, padding=padding)
    for _ in range(250):
        memory.add({"x": torch.ones(10, 5)})
    flush, flushes = memory._rows.flush, []
    monkeypatch.setattr(memory._rows, "flush", lambda counters: flushes.append(flush(counters)))
    for _ in range(200):
        memory.add({"x": torch.ones(10, 5)})
    assert len(flushes) <= 40


def test_rows_of_another_kind_are_refused(tmp_path):
    for memory in both(tmp_path, padding={"x": 0}):
        memory.add({"x": torch.ones(2, 3, 4)})
        with pytest.raises(el.InputError, match=r"column 'x' changed: rows of shape \(any, 4\), torch.float32 can't"):
            memory.add({"x": torch.ones(2, 3, 5)})
        with pytest.raises(el.InputError, match=r"column 'x' is torch.float32 \(any, 4\) a row"):
            memory.delete(x=3)
        with pytest.raises(el.InputError, match="needs the column 'y'; this batch has: x"):
            memory.delete(y=3)


@pytest.mark.parametrize("at_once", [1, 7, 16, 200])
def test_a_budget_of_bytes_for_the_longest_row(at_once, tmp_path):
    batch = {"tokens": torch.ones(at_once, 500, dtype=torch.long)}
    capacity = fitting(3_000_000, batch, {"tokens": 0})
    memory = el.Fifo(capacity, path=tmp_path, padding={"tokens": 0})
    for _ in range(3 * capacity // at_once):
        memory.add(batch)
    assert 0.7 * 3_000_000 < (tmp_path / "rows").stat().st_size <= 3_000_000


@pytest.mark.parametrize("length", [1, 30, 300])
def test_what_rows_of_unlike_lengths_take_in_ram(length):
    """A row is a tensor of its own, which takes more than a few numbers do; the allocator may lose as much again."""
    script = f"""
import everlearn as el, torch
from everlearn.memory.fitting import fitting
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * 4096
batch = {{"x": torch.arange(1, 1 + {length}).repeat(10, 1)}}
rows = fitting(60_000_000, batch, {{"x": 0}})
memory = el.Fifo(rows, padding={{"x": 0}})
memory.add(batch)
before = resident()
for _ in range(-(-rows // 10)):
    memory.add(batch)
print((resident() - before) / memory.nbytes, memory.nbytes / 60_000_000)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    taken, of_the_budget = map(float, told.split())
    assert 0.8 < taken < 2
    assert 0.4 < of_the_budget <= 1


def test_one_method_that_needs_one_width_says_so_before_it_learns():
    learns, wider = learner(el.EWC()), sequences(1)
    wider["x"] = nn.functional.pad(wider["x"], (0, 5))
    learns.learn(sequences(1) | {"task": torch.zeros(2).long()})
    before = learns.model.weight.clone()
    with pytest.raises(el.InputError, match="column 'x' changed"):
        learns.learn(wider | {"task": torch.zeros(2).long()})
    assert torch.equal(learns.model.weight, before)


def test_a_meter_refuses_before_the_learner_learns():
    learns = learner(el.ER(3))
    meter, wider = Meter(learns, every=1), sequences(1)
    wider["x"] = nn.functional.pad(wider["x"], (0, 5))
    meter.learn(sequences(1))
    before = learns.model.weight.clone()
    with pytest.raises(el.InputError, match="column 'x' changed"):
        meter.learn(wider)
    assert torch.equal(learns.model.weight, before)


def test_elements_that_a_stranger_made_up_take_no_space(tmp_path):
    """Rows of no length, of elements of a terabyte."""
    memory = el.Fifo(5, path=tmp_path, padding={"x": 0})
    memory.add({"x": torch.zeros(2, 0, 3, dtype=torch.uint8)})
    memory.close()
    head, *rest = entries((tmp_path / "journal").read_bytes())[0]
    head["columns"] = {"x": ["uint8", [None, 2**38], 0]}
    (tmp_path / "journal").write_bytes(b"".join(map(framed, [head, *rest])))
    assert Reader(tmp_path).held()["x"].numel() == 0


@pytest.mark.parametrize("padding", ["ab", {"x": "q"}, {"x": [1]}, {"x": -1}, {}])
def test_paddings_that_a_stranger_made_up(padding, tmp_path):
    el.Fifo(5, path=tmp_path, padding={"x": 0}).add({"x": torch.ones(2, 3)})
    head, *rest = entries((tmp_path / "journal").read_bytes())[0]
    head["rule"]["padding"] = padding
    (tmp_path / "journal").write_bytes(b"".join(map(framed, [head, *rest])))
    with pytest.raises(el.InputError):
        reopen(tmp_path)


def test_an_export_does_not_mix_up_columns(tmp_path, capsys):
    memory = el.Fifo(5, path=tmp_path, padding={"t": 0})
    memory.add({"t": torch.ones(2, 3), "t.lengths": torch.tensor([70, 80])})
    memory.close()
    assert main(["memory", "export", str(tmp_path), "--out", str(tmp_path / "rows.safetensors")]) == 2
    assert "the memory has a column 't.lengths' itself" in capsys.readouterr().err
