"""The examples that need trainers run, at a small size, and stay short: make test-extras."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.extra


def run(folder, *command):
    done = subprocess.run([sys.executable, *command], check=False, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_model_is_tuned_without_forgetting(tmp_path):
    example = EXAMPLES / "finetune_without_forgetting.py"
    told = run(tmp_path, example, "50")
    usual, with_mer = (float(told[at].split()[told[at].split().index("prose") + 1].rstrip(",")) for at in (1, -1))
    assert with_mer < usual
    assert [line.partition(":")[0] for line in told] == [
        "prose",
        "then code as usual",
        *["everlearn"] * 3,
        "then code with MER",
    ]
    assert len(example.read_text().splitlines()) <= 40


@pytest.mark.parametrize("processes", [1, 2])
def test_accelerate_s_loop_goes_on_bit_for_bit(processes, tmp_path):
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    loop = [*launch, EXAMPLES / "accelerate_loop.py"]
    *_, whole = run(tmp_path, *loop, "whole", "25")
    run(tmp_path, *loop, "cut", "13")
    begun, again = run(tmp_path, *loop, "cut", "25")
    assert begun == "going on from step 13"
    assert again == whole
    assert f"{25 * 6} rows held by each process" in whole
