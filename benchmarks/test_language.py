"""What Reptile steps and a memory on disk cost a language model: a small Llama, 20 rows of 128 bytes a step."""

import os
from time import perf_counter

import pytest
import torch

import everlearn as el
from conftest import seconds
from everlearn.memory.mixed import mixed

pytest.importorskip("transformers")

from everlearn.lm.llama import call_on_tokens, llama
from everlearn.losses import next_token

ROWS, LENGTH, SHARE, NEW = 200_000, 128, 0.25, 15


def tokens(n, seed):
    """Rows."""
    chance = torch.Generator().manual_seed(seed)
    return {"input_ids": torch.randint(256, (n, LENGTH), generator=chance).to(torch.uint16)}


@pytest.fixture
def trained():
    """A model, and what trains it on a batch."""
    model = llama("small", 256, LENGTH, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def train(batch):
        optimizer.zero_grad()
        next_token(call_on_tokens(model, batch), batch).mean().backward()
        optimizer.step()

    return model, train


@pytest.mark.filterwarnings("ignore:no parameter moved")
def test_reptile_steps(trained, claims):
    """One in ten steps of the optimizer."""
    model, train = trained
    outer, batch = el.OuterStep.reptile(model.named_parameters(), every=10, rate=0.5), tokens(20, 0)
    reptile, training = seconds(
        lambda: [outer.step() for _ in range(100)], lambda: [train(batch) for _ in range(10)], rounds=5
    )
    details = f"{reptile * 1e2:.2f} ms each, and {training * 1e2:.0f} ms a step"
    claims("Reptile steps every 10, share of a training", reptile / 10 / training, at_most=0.01, details=details)


@pytest.mark.parametrize("cached", [True, False])
def test_the_memory(trained, cached, tmp_path, claims):
    """A quarter of each batch from 200,000 rows in a folder, in the page cache or thrown out of it before each step."""
    _, train = trained
    memory = el.Reservoir(ROWS, path=tmp_path / "memory")
    memory.add(tokens(ROWS, 0))
    memory.flush()
    throwing, prefetch = 0.0, memory.prefetch

    def prefetch_anew(n):
        nonlocal throwing
        start = perf_counter()
        for file in memory_files(tmp_path / "memory"):
            throw_out(file)
        throwing += perf_counter() - start
        prefetch(n)

    if not cached:
        memory.prefetch = prefetch_anew
    arriving = (tokens(NEW, step) for step in range(1, 62))
    batches = mixed(list(arriving), memory, SHARE)
    train(next(batches))
    waiting, throwing, begin = 0.0, 0.0, perf_counter()
    for _ in range(60):
        start = perf_counter()
        batch = next(batches)
        waiting += perf_counter() - start
        train(batch)
    whole = perf_counter() - begin - throwing
    waiting -= throwing
    memory.close()
    where = "from the page cache" if cached else "from the disk"
    claims(
        f"waiting for the memory, {where}, share of a training",
        waiting / whole,
        at_most=0.03,
        details=f"{waiting / 60 * 1e3:.2f} of {whole / 60 * 1e3:.0f} ms a step",
    )


def memory_files(folder):
    """With rows."""
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size > 100_000]


def throw_out(path):
    """Of the page cache."""
    file = os.open(path, os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)
