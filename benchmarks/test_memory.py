"""What a memory on disk costs, against one in RAM and against other stores: rows of 3,072 bytes, 64 at a time."""

import shutil
from itertools import count

import pytest
import torch

import everlearn as el
from conftest import seconds
from everlearn.memory.padding import APIECE

ROWS, WIDTH, BATCH = 20_000, 3_072, 64


def numbered(start, n=BATCH):
    """Bytes that no compression would help, and a label."""
    chance = torch.Generator().manual_seed(start)
    return {
        "x": torch.randint(256, (n, WIDTH), dtype=torch.uint8, generator=chance),
        "y": torch.zeros(n, dtype=torch.int64),
    }


@pytest.fixture(scope="module")
def whole():
    return numbered(0, ROWS)


@pytest.fixture
def fifo(whole, tmp_path):
    memory = el.Fifo(ROWS, path=tmp_path / "memory")
    memory.add(whole)
    memory.flush()
    yield memory
    memory.close()


def rate(seconds_each, rows=BATCH):
    return f"{rows / seconds_each / 1e3:,.0f}"


def test_sampling(fifo, whole, claims):
    """From the page cache, against RAM."""
    ram = el.Fifo(ROWS)
    ram.add(whole)
    disk, in_ram = seconds(
        lambda: [fifo.sample(BATCH) for _ in range(50)], lambda: [ram.sample(BATCH) for _ in range(50)], rounds=15
    )
    details = f"{rate(disk / 50)} and {rate(in_ram / 50)} thousand rows/s"
    claims("sampling from disk, against RAM", in_ram / disk, at_least=0.6, details=details)


def test_against_lmdb(fifo, whole, tmp_path, claims):
    """A transaction is what a flush is: rows that survive."""
    lmdb = pytest.importorskip("lmdb")
    store = lmdb.open(str(tmp_path / "lmdb"), map_size=2**31)
    labels = torch.zeros(BATCH, dtype=torch.int64)
    with store.begin(write=True) as transaction:
        for slot in range(ROWS):
            transaction.put(slot.to_bytes(4, "big"), whole["x"][slot].numpy().tobytes())

    def sampled():
        slots = torch.randint(ROWS, (BATCH,)).tolist()
        with store.begin(buffers=True) as transaction:
            rows = bytearray().join(transaction.get(slot.to_bytes(4, "big")) for slot in slots)
        return torch.frombuffer(rows, dtype=torch.uint8).reshape(BATCH, WIDTH), labels

    new = numbered(1)
    turn = count()

    def added():
        first = next(turn) * BATCH
        with store.begin(write=True) as transaction:
            for row in range(BATCH):
                transaction.put(((first + row) % ROWS).to_bytes(4, "big"), new["x"][row].numpy().tobytes())

    def flushed():
        fifo.add(new)
        fifo.flush()

    ours, theirs = seconds(lambda: [fifo.sample(BATCH) for _ in range(50)], lambda: [sampled() for _ in range(50)])
    details = f"{rate(ours / 50)} and {rate(theirs / 50)} thousand rows/s"
    claims("sampling, against LMDB", theirs / ours, at_least=1, details=details)
    ours, theirs = seconds(flushed, added, rounds=30)
    details = f"{rate(ours)} and {rate(theirs)} thousand rows/s"
    # Two files are synced where LMDB syncs one.
    claims("adding rows that survive, against LMDB", theirs / ours, at_least=0.4, details=details)
    size = sum(file.stat().st_size for file in (tmp_path / "lmdb").iterdir())
    details = f"{fifo.nbytes / 2**20:.0f} and {size / 2**20:.0f} MiB"
    claims("bytes on disk, against LMDB", fifo.nbytes / size, at_most=1, details=details)


def test_against_tensordict(fifo, whole, tmp_path, claims):
    """Its memory-mapped tensors are written in place: nothing is said of a crash."""
    tensordict = pytest.importorskip("tensordict")
    store = tensordict.TensorDict(whole, batch_size=[ROWS]).memmap(str(tmp_path / "tensordict"))
    new, turn = tensordict.TensorDict(numbered(1), batch_size=[BATCH]), count()

    def added():
        first = next(turn) * BATCH % (ROWS - BATCH)
        store[torch.arange(first, first + BATCH)] = new

    ours, theirs = seconds(
        lambda: [fifo.sample(BATCH) for _ in range(50)],
        lambda: [store[torch.randint(ROWS, (BATCH,))] for _ in range(50)],
    )
    details = f"{rate(ours / 50)} and {rate(theirs / 50)} thousand rows/s"
    claims("sampling, against tensordict", theirs / ours, at_least=1, details=details)
    rows = numbered(1)
    ours, theirs = seconds(lambda: fifo.add(rows), added, rounds=30)
    details = f"{rate(ours)} and {rate(theirs)} thousand rows/s; theirs may be torn"
    claims("adding rows, against tensordict", theirs / ours, at_least=0.3, details=details)


def test_opening_and_saving(fifo, tmp_path, claims):
    """Against copying the rows' file, which is what a checkpoint of the rows would at least take."""
    fifo.flush()
    copied = tmp_path / "copy"

    def copy():
        shutil.copyfile(tmp_path / "memory" / "rows", copied)

    saved, whole_copy = seconds(fifo.state_dict, copy, rounds=10)
    details = f"{saved * 1e3:.1f} and {whole_copy * 1e3:.1f} ms for {ROWS:,} rows"
    claims("saving, against copying the rows", saved / whole_copy, at_most=0.5, details=details)
    fifo.close()
    opened, whole_copy = seconds(lambda: el.Fifo(ROWS, path=tmp_path / "memory").close(), copy)
    claims("opening, against copying the rows", opened / whole_copy, at_most=5, details=f"{opened * 1e3:.0f} ms")


def test_rows_of_unlike_lengths(tmp_path, claims):
    """Texts of 100 tokens on average, the longest of 512: what is not kept of their padding, and what that costs."""
    chance = torch.Generator().manual_seed(0)
    lengths = (torch.randn(ROWS, generator=chance).mul(0.6).add(4.4).exp().long() + 1).clamp(max=512)
    texts = torch.where(torch.arange(512) < lengths[:, None], 7, 0)
    ram, disk = el.Fifo(ROWS, padding={"tokens": 0}), el.Fifo(ROWS, path=tmp_path / "texts", padding={"tokens": 0})
    whole = el.Fifo(ROWS)
    for start in range(0, ROWS, 1000):
        for memory in (ram, disk, whole):
            memory.add({"tokens": texts[start : start + 1000]})
    disk.flush()

    def sampled(memory):
        return lambda: [memory.sample(BATCH) for _ in range(20)]

    times = seconds(sampled(whole), sampled(ram), sampled(disk), rounds=15)
    rates = [rate(time / 20) for time in times]
    claims(
        "sampling texts, against padded ones",
        times[0] / times[1],
        at_least=0.1,
        details=f"{rates[1]} and {rates[0]} thousand rows/s",
    )
    claims(
        "sampling texts from disk, against RAM",
        times[1] / times[2],
        at_least=0.15,
        details=f"{rates[2]} and {rates[1]} thousand rows/s",
    )
    size = (tmp_path / "texts" / "rows").stat().st_size
    own = ram.nbytes - APIECE * len(ram)
    details = f"{size / 2**20:.0f} and {own / 2**20:.0f} MiB; padded {whole.nbytes / 2**20:.0f}"
    claims("bytes of texts on disk, against their numbers", size / own, at_most=1.5, details=details)
    disk.close()
