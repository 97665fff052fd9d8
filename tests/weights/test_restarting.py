"""A process that is killed: its run goes on from the last checkpoint, and ends bit for bit as one that was not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import restarting
import torch
from processes import together


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.parametrize("killed", [["13"], ["10", "10", "15"]], ids=["between checkpoints", "while one is written"])
def test_a_killed_run_ends_as_an_unbroken_one(killed, tmp_path):
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=3"]
    (tmp_path / "killed").mkdir()
    # Without this, processes that were started anew look for those that are gone: pytorch/pytorch#135712.
    settings = os.environ | {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "OMP_NUM_THREADS": "1"}
    subprocess.run([*run, restarting.__file__, tmp_path / "killed", *killed], check=True, env=settings, timeout=240)
    (tmp_path / "whole").mkdir()
    whole = together(lambda rank: restarting.learn(tmp_path / "whole", rank), 2, Path(tmp_path / "processes"))
    for rank in (0, 1):
        end = torch.load(tmp_path / "killed" / f"end-{rank}.pt", weights_only=True)
        assert end["again"] == len(killed)
        assert all(torch.equal(end["weights"][name], whole[rank][name]) for name in whole[rank])
