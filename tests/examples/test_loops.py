"""The loops of others, with everlearn in them, run and stay short."""

import subprocess
import sys
from pathlib import Path

import pytest

import everlearn as el
from everlearn.memory.reader import Reader

EXAMPLES = Path(__file__).parents[2] / "examples"
TOLD = {"dqn_loop.py": "mean return of the last 20", "sb3_dqn.py": "; path: compiled"}


@pytest.mark.parametrize("name", TOLD)
def test_it_runs_at_a_small_size(name):
    command = [sys.executable, "-W", "error", EXAMPLES / name, "1200"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert TOLD[name] in done.stdout


def test_the_guide_s_loop_in_many_processes_learns(tmp_path):
    loop = (EXAMPLES / "many_processes.py").read_text()
    assert loop[loop.index("import torch") :] in (EXAMPLES.parent / "docs/guides/scale.md").read_text()
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, EXAMPLES / "many_processes.py"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    loss, told = done.stdout.strip().split("; ")
    assert float(loss.removeprefix("loss ")) < 3  # From log 256 = 5.5.
    assert told == "each of 2 processes holds 1000 of its 1200 rows"
    merged = el.BottomK(5000)
    for rank in range(2):
        merged.merge(Reader(tmp_path / f"memory-{rank}"))
    assert (len(merged), merged.seen) == (len(merged.held()["id"].unique()), 2400)


@pytest.mark.parametrize("name", TOLD)
def test_it_is_at_most_eighty_lines(name):
    assert len((EXAMPLES / name).read_text().splitlines()) <= 80
