"""The Trainer with a MERCallback in several processes: torchrun … training.py FOLDER WAY."""

import gc
import sys
from pathlib import Path

import torch
from test_hugging_face import make
from torch import distributed as dist

from everlearn.memory.reader import Reader

if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, way = Path(sys.argv[1]), sys.argv[2]
    trainer, callback = make(folder / way, accumulated=1, memory_dir=folder / "memory")
    trainer.args.max_steps = 8
    trainer.train(resume_from_checkpoint=None if way == "whole" else str(folder / "whole" / way.removeprefix("from ")))
    weights = {name: value.detach() for name, value in trainer.model.named_parameters()}
    memory = Reader(folder / "memory" / f"of process {trainer.args.process_index}")
    rows = [tuple(row.tolist()) for row in memory.sample(100)["input_ids"]]
    found = {"weights": weights, "seen": memory.seen, "rows": rows}
    torch.save(found, folder / f"{way} {trainer.args.process_index}.pt")
    # A group that DDP still holds is not destroyed, and gloo's threads outlive Python: now and then it aborts.
    del trainer, callback
    gc.collect()
    dist.destroy_process_group()
