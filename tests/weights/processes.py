"""Processes that form a group, forked from this one: warm, so that they are there at once."""

import os
import sys
import traceback
from datetime import timedelta

import torch
from torch import distributed as dist


def together(function, processes, folder):
    """What `function(rank)` gives in each of so many processes, by rank: tensors, numbers and their dicts and lists."""
    folder.mkdir(parents=True, exist_ok=True)
    children = [_start(function, rank, processes, folder) for rank in range(processes)]
    ends = [os.waitpid(child, 0)[1] for child in children]
    assert ends == [0] * processes, "a process failed: see what it wrote"
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(processes)]


def _start(function, rank, processes, folder):
    child = os.fork()
    if child:
        return child
    try:
        meeting = f"file://{folder}/meeting"
        dist.init_process_group(
            "gloo", init_method=meeting, rank=rank, world_size=processes, timeout=timedelta(seconds=60)
        )
        torch.save(function(rank), folder / f"{rank}.pt")
        dist.destroy_process_group()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)
