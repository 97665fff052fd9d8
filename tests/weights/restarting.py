"""A run in several processes that goes on from its last checkpoint: shards, slow weights, a memory on disk of each.

torchrun --standalone --nproc-per-node 2 --max-restarts 1 restarting.py FOLDER KILLED [KILLED ...]

KILLED: at which step the second process kills itself, at first, once it was restarted, and so on. Where that step is to
be saved, the memory has been by then, and the rest has not.
"""

import os
import signal
import sys
from pathlib import Path

import torch
from torch import distributed as dist
from torch import nn
from torch.distributed import checkpoint as dcp
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.fsdp import fully_shard

import everlearn as el
from everlearn import checkpoint
from everlearn.memory.mixed import mixed

STEPS, SAVED = 24, 5


def arriving(begin, rank):
    """Batches of this process's own stream."""
    for step in range(begin, STEPS):
        chance = torch.Generator().manual_seed(1000 * rank + step)
        yield {
            "x": torch.randn(6, 4, generator=chance),
            "y": torch.randint(3, (6,), generator=chance),
            "id": torch.arange(6) + 6 * step + 10_000 * rank,
        }


def learn(folder, rank, killed=None):
    """Learn to the end; at a step, the second process kills itself.

    Returns:
        All weights.
    """
    model = el.mlp([4, 16, 3], seed=0)
    for layer in (*model, model):
        if [*layer.parameters(recurse=layer is model)]:
            fully_shard(layer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    outer = el.OuterStep.reptile(model.named_parameters(), every=4, rate=0.4)
    memory = el.BottomK(30, seed=rank, path=folder / f"memory-{rank}")

    def parts():
        weights, moments = get_state_dict(model, optimizer)
        return {"weights": weights, "moments": moments, "outer": outer.state_dict(), "step": 0}

    begin, latest = 0, folder / "latest"
    if latest.exists():
        state, saved = parts(), folder / latest.read_text()
        dcp.load(state, checkpoint_id=saved)
        set_state_dict(model, optimizer, model_state_dict=state["weights"], optim_state_dict=state["moments"])
        outer.load_state_dict(state["outer"])
        remembered = checkpoint.load(saved / f"memory-{rank}.safetensors")
        memory.load_state_dict(remembered)
        memory.confirm(remembered)
        begin = state["step"]
    for step, batch in enumerate(mixed(arriving(begin, rank), memory, 0.4), begin + 1):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(batch["x"]), batch["y"]).backward()
        optimizer.step()
        outer.step()
        remembered = memory.state_dict() if step % SAVED == 0 else None
        if step == killed and rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if remembered is not None:
            saved = folder / f"step-{step}"
            dcp.save(parts() | {"step": step}, checkpoint_id=saved)
            checkpoint.save(remembered, saved / f"memory-{rank}.safetensors")
            dist.barrier()
            if rank == 0:
                (folder / "next").write_text(saved.name)
                (folder / "next").replace(latest)
            dist.barrier()
            memory.confirm(remembered)
    return {name: weight.full_tensor().detach().clone() for name, weight in model.named_parameters()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    again, killed = int(os.environ["TORCHELASTIC_RESTART_COUNT"]), [int(step) for step in sys.argv[2:]]
    weights = learn(Path(sys.argv[1]), dist.get_rank(), killed[again] if again < len(killed) else None)
    torch.save({"weights": weights, "again": again}, Path(sys.argv[1]) / f"end-{dist.get_rank()}.pt")
    dist.destroy_process_group()
