"""A loop of one's own with Accelerate, in one process or many: what is everlearn's is marked. It goes on if killed.

accelerate launch accelerate_loop.py state 100     learns until step 100, saving into the folder `state`
accelerate launch accelerate_loop.py state 200     goes on from there, bit for bit
"""

import sys
from pathlib import Path
from pydoc_data.topics import topics

import torch
from accelerate import Accelerator, skip_first_batches
from accelerate.utils import set_seed
from transformers import LlamaConfig, LlamaForCausalLM

import everlearn as el
from everlearn import checkpoint
from everlearn.memory.mixed import mixed

EVERY = 20

state, until = Path(sys.argv[1]), int(sys.argv[2])
set_seed(0)
accelerator = Accelerator(cpu=True)
sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
model = LlamaForCausalLM(LlamaConfig(vocab_size=256, **sizes))
tokens = torch.tensor([*"".join(topics.values()).encode()])
rows = [{"input_ids": row, "labels": row} for row in tokens[: len(tokens) // 64 * 64].view(-1, 64)]
loader = torch.utils.data.DataLoader(rows, batch_size=6)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)

# everlearn: a memory of this process's own rows, and Reptile steps, which are the same in all processes.
rank = accelerator.process_index
memory = el.Reservoir(500, seed=rank, path=state / f"memory-{rank}")
outer = el.OuterStep.reptile(accelerator.unwrap_model(model).named_parameters(), every=10, rate=0.5)

begin, latest = 0, state / "latest"
if latest.exists():
    begin = int(latest.read_text())
    accelerator.load_state(state / f"step-{begin}")
    # everlearn: Accelerate itself would save what is registered with it from the first process only.
    own = checkpoint.load(state / f"step-{begin}" / f"everlearn-{rank}.safetensors")
    outer.load_state_dict(own["outer"])
    memory.load_state_dict(own["memory"])
    accelerator.print(f"going on from step {begin}")

# everlearn: a quarter of each batch comes from memory; batches that were learned before are skipped outside of that.
for step, batch in enumerate(mixed(skip_first_batches(loader, begin), memory, 0.25), begin + 1):
    loss = model(**batch).loss
    accelerator.backward(loss)
    optimizer.step()
    optimizer.zero_grad()
    if accelerator.sync_gradients:
        outer.step()  # everlearn: after a step of the optimizer
    if step % EVERY == 0 or step == until:
        accelerator.save_state(state / f"step-{step}")
        own = {"outer": outer.state_dict(), "memory": memory.state_dict()}
        checkpoint.save(own, state / f"step-{step}" / f"everlearn-{rank}.safetensors")
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            (state / "next").write_text(str(step))
            (state / "next").replace(latest)
    if step == until:
        break

total = float(sum(parameter.detach().abs().sum().double() for parameter in model.parameters()))
accelerator.print(f"step {step}: loss {loss.item():.4f}, weights {total:.6f}, {len(memory)} rows held by each process")
memory.close()
accelerator.end_training()
