"""The loop of one's own runs, and stays short."""

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples/dqn_loop.py"


def test_it_runs_at_a_small_size():
    done = subprocess.run([sys.executable, "-W", "error", EXAMPLE, "1200"], capture_output=True, text=True, check=True)
    assert "mean return of the last 20" in done.stdout


def test_it_is_at_most_eighty_lines():
    assert len(EXAMPLE.read_text().splitlines()) <= 80
