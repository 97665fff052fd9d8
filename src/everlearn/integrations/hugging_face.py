"""Replay and Reptile steps for the Trainer of Hugging Face's transformers, and for those made of it, such as TRL's."""

import json
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from transformers import PreTrainedTokenizerBase, Trainer, TrainerCallback

from everlearn import checkpoint
from everlearn.batches import as_batch
from everlearn.memory import Reservoir
from everlearn.memory.mixed import mixed
from everlearn.ranges import at_least
from everlearn.types import Batch, InputError
from everlearn.weights import OuterStep

FILE = "everlearn-{}.safetensors"
"""In a checkpoint's folder: what of each process must survive."""
PADDING = {"input_ids": 0, "attention_mask": 0, "labels": -100, "token_type_ids": 0, "position_ids": 0}
"""What the usual collators pad with, but that a tokenizer has a token of its own for it."""


class MERCallback(TrainerCallback):
    """MER in its form for large batches (Abbes et al. 2026): rows from a memory in each batch, and Reptile steps.

    Replayed rows count in the loss as new ones do: it is the mean over the tokens of both. Reptile steps are
    taken after steps of the optimizer, however many batches their gradients come from, of the trainable parameters
    alone: with LoRA, of the adapter. What a resumed run needs is saved in each checkpoint's folder.

    ``MERCallback(replay_ratio=0.25, memory_dir="memory").attach(trainer)``, and then ``trainer.train()``.

    Args:
        replay_ratio: the share of old rows in all that are learned.
        memory_size: rows that the memory holds at most, in each process.
        memory_dir: a folder for it, in which each process has one of its own; by default it is in RAM.
        remember: a data set such as the trainer's `train_dataset`, whose rows are what the model knows: they are put
            into the memory before the first step, where it is empty.
        reptile_every: optimizer steps from one Reptile step to the next; 0 takes none.
        reptile_rate: how far it goes along the way that these went.
        probes: by name, data sets such as the trainer's `eval_dataset`. Before the first step and at each save their
            losses are told, and by how much each is above its lowest: what was forgotten.
        padding: of the columns whose rows differ in length; by default what the usual collators pad with.
        seed: of the memory.

    Raises:
        InputError: a number is out of its range.
    """

    def __init__(
        self,
        *,
        replay_ratio: float = 0.25,
        memory_size: int = 50_000,
        memory_dir: str | Path | None = None,
        remember: Any = None,
        reptile_every: int = 500,
        reptile_rate: float = 0.1,
        probes: Mapping[str, Any] | None = None,
        padding: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        at_least(0, reptile_every=reptile_every, seed=seed)
        if not 0 <= replay_ratio < 1:
            raise InputError(f"replay_ratio must be from 0 to below 1, not {replay_ratio}")
        self.replay_ratio, self.memory_size, self.memory_dir = replay_ratio, memory_size, memory_dir
        self.reptile_every, self.reptile_rate = reptile_every, reptile_rate
        self.remember, self.probes, self.padding, self.seed = remember, dict(probes or {}), padding, seed
        self.forgotten: dict[str, float] = {}
        """By probe, how much its loss was above its lowest when it was asked last."""
        self._lowest: dict[str, float] = {}
        self._memory: Reservoir | None = None
        self._saved: Any = None
        self._outer: OuterStep | None = None
        self._trainer: Any = None
        self._begun_from: Any = None

    def attach(self, trainer: Trainer) -> "MERCallback":
        """Become a part of a trainer, before `trainer.train()`.

        Raises:
            InputError: it has one already.
        """
        if self._trainer is not None or any(isinstance(one, MERCallback) for one in trainer.callback_handler.callbacks):
            raise InputError("this trainer, or this callback, has its other half already: attach one to one, once")
        self._trainer = trainer
        trainer.add_callback(self)
        collect, train = trainer.get_batch_samples, trainer.train

        def get_batch_samples(epoch_iterator: Iterator[Any], *args: Any, **more: Any) -> Any:
            return collect(self._mixed(epoch_iterator), *args, **more)

        def train_from(resume_from_checkpoint: str | bool | None = None, *args: Any, **more: Any) -> Any:
            self._begun_from = resume_from_checkpoint
            return train(resume_from_checkpoint, *args, **more)

        # The instance's own: batches are skipped before, and tokens counted after.
        trainer.get_batch_samples = get_batch_samples
        # Nothing else tells a callback where a run is gone on with from.
        trainer.train = train_from
        return self

    def on_train_begin(self, args: Any, state: Any, control: Any, *, model: Any = None, **_: Any) -> None:
        """Begin, or go on from the checkpoint that the trainer goes on from."""
        if self._trainer is None:
            raise InputError("a MERCallback is not given to the trainer: MERCallback(…).attach(trainer)")
        self._outer = None
        if self.reptile_every:
            self._outer = OuterStep(
                model.named_parameters(), self.reptile_every, lambda slow: torch.optim.SGD(slow, lr=self.reptile_rate)
            )
        if state.global_step:
            begun = self._begun_from
            folder = Path(begun) if isinstance(begun, str | PathLike) else _folder(args, state)
            self._go_on(folder / FILE.format(args.process_index), args.world_size)
        else:
            self._probe(state)

    def _go_on(self, file: Path, processes: int) -> None:
        saved = checkpoint.load(file)
        if saved["processes"] != processes:
            raise InputError(f"{file} was saved by {saved['processes']} processes, now there are {processes}")
        if (saved["outer"] is None) != (self._outer is None):
            raise InputError(f"{file} was saved {'without' if saved['outer'] is None else 'with'} Reptile steps")
        if self._outer is not None:
            self._outer.load_state_dict(_sharded(saved["outer"], self._outer.state_dict()))
        self._saved, self._lowest = saved["memory"], saved["lowest"]

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After a step of the optimizer."""
        if self._outer is not None:
            self._outer.step()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell what was forgotten, and save."""
        self._probe(state)
        file = _folder(args, state) / FILE.format(args.process_index)
        memory = self._saved if self._memory is None else self._memory.state_dict()
        outer = None if self._outer is None else _local(self._outer.state_dict())
        checkpoint.save(
            {"processes": args.world_size, "memory": memory, "outer": outer, "lowest": dict(self._lowest)}, file
        )

    def _probe(self, state: Any) -> None:
        for name, data in self.probes.items():
            prefix = f"probe_{name}"
            # A DataLoader draws a number, also where nothing is shuffled.
            with torch.random.fork_rng(devices=[]):
                loss = float(self._trainer.evaluate(data, metric_key_prefix=prefix)[f"{prefix}_loss"])
            self._lowest[name] = min(loss, self._lowest.get(name, loss))
            self.forgotten[name] = loss - self._lowest[name]
            if state.is_world_process_zero:
                print(f"everlearn: {name}: loss {loss:.4f}, {self.forgotten[name]:.4f} above its lowest")

    def _mixed(self, batches: Iterator[Any]) -> Iterator[Batch]:
        """Batches with old rows; as many new ones are taken as are asked for."""
        for batch in batches:
            if self._memory is None:
                self._memory = self._make(batch)
            if self._saved is not None:
                self._memory.load_state_dict(self._saved)
                self._saved = None
            elif self.remember is not None and self._memory.seen == 0:
                for rows in self._trainer.get_eval_dataloader(self.remember):
                    self._memory.add(as_batch(rows))
            yield from mixed([batch], self._memory, self.replay_ratio)

    def _make(self, batch: Mapping[str, Tensor]) -> Reservoir:
        rank = self._trainer.args.process_index
        path = None if self.memory_dir is None else Path(self.memory_dir) / f"of process {rank}"
        if path is not None:
            _check_words(self._trainer.processing_class, path.with_suffix(".json"))
        padding = self.padding
        if padding is None:
            token = getattr(self._trainer.processing_class, "pad_token_id", None)
            usual = PADDING | ({} if token is None else {"input_ids": token})
            padding = {name: value for name, value in usual.items() if name in batch and batch[name].ndim > 1}
        # Each process draws its own.
        return Reservoir(self.memory_size, seed=self.seed + rank, path=path, padding=padding)


def _check_words(tokenizer: Any, file: Path) -> None:
    """Note which words the tokens of a memory stand for; or refuse a memory of others."""
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        return
    words = crc32(json.dumps(sorted(tokenizer.get_vocab().items())).encode())
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"words": words}))
    elif json.loads(file.read_text())["words"] != words:
        raise InputError(f"the memory beside {file} holds tokens of another tokenizer: name another memory_dir")


def _folder(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"checkpoint-{state.global_step}"


def _local(state: dict[str, Any]) -> dict[str, Any]:
    """An outer step's state with this process's part of each slow weight."""
    return state | {"slow": {name: _part(tensor) for name, tensor in state["slow"].items()}}


def _sharded(state: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    """The other way, with shards where another state of the same process has them."""
    return state | {"slow": {name: _whole(part, like["slow"].get(name)) for name, part in state["slow"].items()}}


def _part(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _whole(part: Tensor, like: Tensor | None) -> Tensor:
    if not isinstance(like, DTensor):
        return part
    part = part.to(like.device)
    return DTensor.from_local(part, like.device_mesh, like.placements, shape=like.shape, stride=like.stride())
