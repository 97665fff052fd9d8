"""A small language model that knows English prose learns Python, and keeps its prose: offline, in a minute or two."""

import argparse
import inspect
import sys
from copy import deepcopy
from pydoc_data.topics import topics

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PrinterCallback, Trainer, TrainingArguments

from everlearn.integrations.hugging_face import MERCallback

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 300


def rows(text):  # of 128 bytes, each of which is a token
    tokens = torch.tensor([*text.encode()])
    return [{"input_ids": row, "labels": row} for row in tokens[: len(tokens) // 128 * 128].view(-1, 128)]


def train(what, model, name, *callbacks):
    settings = {"max_steps": STEPS, "save_steps": STEPS // 2, "per_device_train_batch_size": 16, "learning_rate": 3e-3}
    quiet = {"use_cpu": True, "report_to": "none", "disable_tqdm": True}
    trainer = Trainer(model, TrainingArguments("finetuned", **settings, **quiet), train_dataset=texts[name][:-64])
    trainer.remove_callback(PrinterCallback)
    for callback in callbacks:
        callback.attach(trainer)
    trainer.train()
    told = (f"{other} {trainer.evaluate(own[-64:])['eval_loss']:.2f}" for other, own in texts.items())
    print(f"{what}: loss on {', on '.join(told)}")


texts = {"prose": rows("\n".join(topics.values())), "code": rows("".join(map(inspect.getsource, (argparse, inspect))))}
sizes = {"hidden_size": 64, "intermediate_size": 170, "num_hidden_layers": 2, "num_attention_heads": 4}
train("prose", model := LlamaForCausalLM(LlamaConfig(vocab_size=256, **sizes)), "prose")
train("then code as usual", deepcopy(model), "code")
knows, probes = texts["prose"][:-64], {"prose": texts["prose"][-64:]}
mer = MERCallback(replay_ratio=0.25, remember=knows, probes=probes)
train("then code with MER", model, "code", mer)
