"""The loop that is killed and goes on, and the gate on real drift, run at a small size and stay short."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
END = 3000


def start(name, *arguments):
    command = [sys.executable, "-W", "error", EXAMPLES / name, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(name, *arguments):
    process = start(name, *arguments)
    told, error = process.communicate()
    assert (process.returncode, error) == (0, "")
    return told


def test_the_production_loop_goes_on_after_a_kill(tmp_path):
    unbroken = run("production_loop.py", tmp_path / "unbroken", END)
    killed = start("production_loop.py", tmp_path / "killed", 10**6)
    while not (tmp_path / "killed" / "learner.safetensors").exists():
        assert killed.poll() is None
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    told = run("production_loop.py", tmp_path / "killed", END)
    assert 0 < int(told.splitlines()[0].removeprefix("going on from row ")) < END
    assert told.splitlines()[-1] == unbroken.splitlines()[-1]


def test_the_gate_on_drift():
    told = run("gate.py", 6000)
    assert "without a gate: " in told
    assert "week 8, labelled wrong: " in told
    assert "of 17 weeks refused" in told


@pytest.mark.parametrize("name", ["production_loop.py", "gate.py"])
def test_it_is_at_most_eighty_lines(name):
    assert len((EXAMPLES / name).read_text().splitlines()) <= 80
