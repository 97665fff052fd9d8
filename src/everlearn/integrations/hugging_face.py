"""Replay and Reptile steps for the Trainer of Hugging Face's transformers, and for those made of it, such as TRL's."""

import shutil
import warnings
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from transformers import Trainer, TrainerCallback

from everlearn import checkpoint
from everlearn.batches import as_batch
from everlearn.integrations.note import Note
from everlearn.integrations.tokens import check_rows, narrow, padding_of
from everlearn.memory import Reservoir
from everlearn.memory.mixed import mixed
from everlearn.ranges import at_least, number, positive
from everlearn.types import Batch, InputError
from everlearn.weights import OuterStep

FILE, SHARED = "everlearn-{}.safetensors", "everlearn.safetensors"
"""In a checkpoint's folder: what of each process must survive, and slow weights that are the same in all."""


class MERCallback(TrainerCallback):
    """MER in its form for large batches (Abbes et al. 2026): rows from a memory in each batch, and Reptile steps.

    Replayed rows count in the loss as new ones do: it is the mean over the tokens of both. Reptile steps are
    taken after steps of the optimizer, however many batches their gradients come from, of the trainable parameters
    alone: with LoRA, of the adapter. What a resumed run needs is saved in each checkpoint's folder.

    Tokens are kept in two bytes each where the vocabulary allows it, otherwise in four, labels likewise, masks in one.
    A memory in RAM is written whole into each checkpoint, one in a folder is not.

    ``MERCallback(replay_ratio=0.25, memory_dir="memory").attach(trainer)``, and then ``trainer.train()``.

    Args:
        replay_ratio: the share of old rows in all that are learned.
        memory_size: rows that the memory holds at most, in each process.
        memory_dir: a folder for it, in which each process has one of its own; by default it is in RAM. Another run that
            is given the same folder goes on with the memory there.
        saves: how many checkpoints can be gone on from with a memory in a folder; by default one more than the
            trainer's `save_total_limit`, or two where it has none.
        remember: a data set such as the trainer's `train_dataset`, whose rows are what the model knows: they are put
            into the memory before the first step, where it is new. After that they are a part of all rows that came, as
            any others.
        reptile_every: optimizer steps from one Reptile step to the next; 0 takes none. Abbes et al. take 500, and a
            rate of .1, in runs of tens of thousands: in a short run that undoes most of what is learned.
        reptile_rate: how far it goes along the way that these went.
        probes: by name, data sets such as the trainer's `eval_dataset`. Before the first step, at each save and at the
            end their losses are told, and by how much each is above its lowest: what was forgotten.
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
        saves: int | None = None,
        remember: Any = None,
        reptile_every: int = 10,
        reptile_rate: float = 0.5,
        probes: Mapping[str, Any] | None = None,
        padding: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        at_least(0, reptile_every=reptile_every, seed=seed)
        at_least(1, memory_size=memory_size, saves=1 if saves is None else saves)
        positive(reptile_rate=reptile_rate)
        if reptile_every == 1:
            raise InputError("reptile_every=1 only makes the rate smaller: it must be 0 or at least 2")
        if not 0 <= number("replay_ratio", replay_ratio) < 1:
            raise InputError(f"replay_ratio must be from 0 to below 1, not {replay_ratio}")
        if not isinstance(probes, Mapping | None):
            raise InputError(f"probes are data sets by name, such as {{'old': …}}, not a {type(probes).__name__}")
        self.replay_ratio, self.memory_size, self.memory_dir, self.saves = replay_ratio, memory_size, memory_dir, saves
        self.reptile_every, self.reptile_rate = reptile_every, reptile_rate
        self.remember, self.probes, self.padding, self.seed = remember, dict(probes or {}), padding, seed
        self.forgotten: dict[str, float] = {}
        """By probe, how much its loss was above its lowest when it was asked last."""
        self._lowest: dict[str, float] = {}
        self._probed = -1
        self._memory: Reservoir | None = None
        self._narrow: dict[str, torch.dtype] = {}
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
            try:
                return train(resume_from_checkpoint, *args, **more)
            finally:
                self.close()

        # The instance's own: batches are skipped before, and tokens counted after.
        trainer.get_batch_samples = get_batch_samples
        # Nothing else tells a callback where a run is gone on with from.
        trainer.train = train_from
        return self

    @property
    def memory(self) -> Reservoir | None:
        """This process's memory, narrow columns and all; None before the first batch. One in a folder is closed after
        training, and can be looked at by `everlearn.memory.reader.Reader`."""
        return self._memory

    def close(self) -> None:
        """Let others write into the memory's folder, as the end of training does; further training opens it again."""
        if self._memory is not None and self.memory_dir is not None:
            self._memory.close()
            self._memory = None

    def on_train_begin(self, args: Any, state: Any, control: Any, *, model: Any = None, **_: Any) -> None:
        """Begin, or go on from the checkpoint that the trainer goes on from."""
        if self._trainer is None:
            raise InputError("a MERCallback is not given to the trainer: MERCallback(…).attach(trainer)")
        self._outer, self._probed = None, -1
        if self.reptile_every:
            if state.max_steps < self.reptile_every:
                warnings.warn(
                    f"there will be no Reptile step: reptile_every={self.reptile_every}, and training has "
                    f"{state.max_steps} steps",
                    stacklevel=2,
                )
            self._outer = OuterStep.reptile(model.named_parameters(), self.reptile_every, self.reptile_rate)
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
        shared = file.with_name(SHARED)
        outer = checkpoint.load(shared) if saved["outer"] is None and shared.exists() else saved["outer"]
        if (outer is None) != (self._outer is None):
            raise InputError(f"{file} was saved {'without' if outer is None else 'with'} Reptile steps")
        if self._outer is not None:
            self._outer.load_state_dict(_sharded(outer, self._outer.state_dict()))
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
        outer = None if self._outer is None else self._outer.state_dict()
        if outer is not None and not any(isinstance(one, DTensor) for one in outer["slow"].values()):
            if args.should_save:
                checkpoint.save(outer, file.with_name(SHARED))
            outer = None
        own = {"processes": args.world_size, "memory": memory, "lowest": dict(self._lowest)}
        checkpoint.save(own | {"outer": outer and _local(outer)}, file)
        if self._memory is not None:
            self._memory.confirm(memory)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell what was forgotten at the end."""
        self._probe(state)

    def _probe(self, state: Any) -> None:
        if self._probed == state.global_step:
            return
        self._probed = state.global_step
        for name, data in self.probes.items():
            prefix = f"probe_{name}"
            # A DataLoader draws a number, also where nothing is shuffled.
            with torch.random.fork_rng(devices=[]):
                told = self._trainer.evaluate(data, metric_key_prefix=prefix)
            if f"{prefix}_loss" not in told:
                raise InputError(f"the probe {name!r} gives no loss: its rows need labels, as those of eval_dataset do")
            loss = float(told[f"{prefix}_loss"])
            self._lowest[name] = min(loss, self._lowest.get(name, loss))
            self.forgotten[name] = loss - self._lowest[name]
            if state.is_world_process_zero:
                print(f"everlearn: {name}: loss {loss:.4f}, {self.forgotten[name]:.4f} above its lowest")

    def _mixed(self, batches: Iterator[Any]) -> Iterator[Batch]:
        """Batches with old rows; as many new ones are taken as are asked for."""
        for given in batches:
            check_rows(given)
            if self._memory is None:
                self._memory = self._make(given)
            if self._saved is not None:
                self._memory.load_state_dict(self._saved)
                self._memory.confirm(self._saved)
                self._saved = None
            batch = self._narrowed(given)
            for joined in mixed([batch], self._memory, self.replay_ratio):
                yield {name: values.to(given[name].device, given[name].dtype) for name, values in joined.items()}

    def _narrowed(self, batch: Mapping[str, Tensor]) -> Batch:
        """Columns as the memory keeps them."""
        columns = as_batch(batch).items()
        return {name: values.to("cpu", self._narrow.get(name, values.dtype)) for name, values in columns}

    def _make(self, batch: Mapping[str, Tensor]) -> Reservoir:
        args, tokenizer = self._trainer.args, self._trainer.processing_class
        config = getattr(self._trainer.accelerator.unwrap_model(self._trainer.model), "config", None)
        self._narrow = narrow(batch, getattr(config, "vocab_size", None))
        padding = padding_of(batch, getattr(tokenizer, "pad_token_id", None)) if self.padding is None else self.padding
        rank, limit = args.process_index, args.save_total_limit or 1
        # Each process draws its own.
        settings: dict[str, Any] = {"seed": self.seed + rank, "saves": self.saves or limit + 1, "padding": padding}
        if self.memory_dir is None:
            memory = Reservoir(self.memory_size, **settings)
            if self._saved is None:
                self._remember(memory)
            return memory
        path = Path(self.memory_dir) / f"of process {rank}"
        note = Note(path.with_suffix(".json"), args.world_size, tokenizer)
        if note.is_begun:
            # It holds what was to be remembered, in part.
            shutil.rmtree(path, ignore_errors=True)
        memory = Reservoir(self.memory_size, path=path, **settings)
        if memory.seen == 0 and self._saved is None:
            note.write(begun=True)
            self._remember(memory)
            memory.flush()
            note.write(begun=False)
        return memory

    def _remember(self, memory: Reservoir) -> None:
        if self.remember is None:
            return
        try:
            loader = self._trainer.get_eval_dataloader(self.remember)
        except ValueError as error:
            raise InputError(f"remember must be such as the trainer's own data, tokenized, say: {error}") from error
        for rows in loader:
            memory.add(self._narrowed(rows))


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
