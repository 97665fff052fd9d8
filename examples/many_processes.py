"""A loop in many processes: torchrun --standalone --nproc-per-node 2 many_processes.py."""

import torch
from torch import distributed as dist
from torch.distributed.fsdp import fully_shard

import everlearn as el
from everlearn.memory.mixed import mixed

dist.init_process_group()
rank, processes = dist.get_rank(), dist.get_world_size()

model = torch.nn.Sequential(torch.nn.Embedding(256, 32), torch.nn.Linear(32, 256), torch.nn.LogSoftmax(-1))
fully_shard(model)  # which makes new parameters: before the optimizer and the outer step
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
outer = el.OuterStep.reptile(model.named_parameters(), every=10, rate=0.5)
memory = el.BottomK(1000, seed=rank, path=f"memory-{rank}")


def arriving(steps):
    """This process's own stream; no two rows of all processes have the same identity."""
    for step in range(steps):
        start = torch.randint(256, (12, 1))
        rows = (start + torch.arange(64)) % 256
        identity = (12 * step + torch.arange(12)) * processes + rank
        yield {"id": identity, "input_ids": rows.to(torch.uint16)}


for batch in mixed(arriving(100), memory, 0.25):
    optimizer.zero_grad()
    loss = el.next_token(model(batch["input_ids"].long()), batch).mean()
    loss.backward()
    optimizer.step()
    outer.step()

if rank == 0:
    print(f"loss {loss.item():.2f}; each of {processes} processes holds {len(memory)} of its {memory.seen} rows")
memory.close()
dist.destroy_process_group()
