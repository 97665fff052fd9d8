"""The loops of others, with everlearn in them, run and stay short."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
TOLD = {"dqn_loop.py": "mean return of the last 20", "sb3_dqn.py": "; path: compiled"}


@pytest.mark.parametrize("name", TOLD)
def test_it_runs_at_a_small_size(name):
    command = [sys.executable, "-W", "error", EXAMPLES / name, "1200"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert TOLD[name] in done.stdout


@pytest.mark.parametrize("name", TOLD)
def test_it_is_at_most_eighty_lines(name):
    assert len((EXAMPLES / name).read_text().splitlines()) <= 80
