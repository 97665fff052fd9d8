"""Replay and Reptile steps for the Trainer of Hugging Face's transformers, and for those made of it, such as TRL's."""

import shutil
import warnings
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from math import isnan
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
from everlearn.integrations.tokens import check_rows, narrow, narrowed, padding_of
from everlearn.memory import Reservoir
from everlearn.memory.mixed import LEAST, mixed
from everlearn.ranges import at_least, number, positive
from everlearn.types import Batch, InputError
from everlearn.weights import OuterStep
from everlearn.weights.parameters import local

FILE, SHARED = "everlearn-{}.safetensors", "everlearn.safetensors"
"""In a checkpoint's folder: what of each process must survive, and slow weights that are the same in all."""


SINGLE = "SFTTrainer"
"""The one of TRL's trainers whose rows are learned each by itself."""


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
            trainer's `save_total_limit`, or two where it has none. With `load_best_model_at_end` the best may be older.
        remember: a data set such as the trainer's `train_dataset`, tokenized as it is, whose rows are what the model
            knows: they are put into the memory before the first step, where it is new. After that they are a part of
            all rows that came, as any others. With r of them, r / (r + n) of what is replayed are theirs once n rows
            were learned, where a row counts once an epoch.
        reptile_every: optimizer steps from one Reptile step to the next; 0 takes none. Abbes et al. take 500, and a
            rate of .1, in runs of tens of thousands: in a short run that undoes most of what is learned.
        reptile_rate: how far it goes along the way that these went.
        probes: by name, data sets such as the trainer's `eval_dataset`. Before the first step, at each save and at the
            end their losses are told, and by how much each is above its lowest: what was forgotten.
        padding: of the columns whose rows differ in length; by default what the usual collators pad with.
        seed: of the memory.

    Raises:
        InputError: a number is out of its range, or data are none.
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
        if number("replay_ratio", replay_ratio) != 0 and not LEAST <= replay_ratio <= 1 - LEAST:
            raise InputError(f"replay_ratio must be 0, or from {LEAST} to {1 - LEAST}, not {replay_ratio}")
        if not isinstance(memory_dir, str | PathLike | None):
            raise InputError(f"memory_dir is a folder's path, not {memory_dir!r}")
        if not isinstance(probes, Mapping | None):
            raise InputError(f"probes are data sets by name, such as {{'old': …}}, not a {type(probes).__name__}")
        given = {} if remember is None else {"remember": remember}
        for name, data in (given | {f"the probe {name!r}": data for name, data in (probes or {}).items()}).items():
            _check_data(name, data)
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
            InputError: it has one already, or learns rows that belong together.
        """
        if self._trainer is not None or any(isinstance(one, MERCallback) for one in trainer.callback_handler.callbacks):
            raise InputError(
                "this trainer, or this callback, has its other half already: attach one to one, once, and give none to "
                "the trainer's callbacks="
            )
        kinds = type(trainer).__mro__
        if any(kind.__module__.startswith("trl.") for kind in kinds) and SINGLE not in [
            kind.__name__ for kind in kinds
        ]:
            raise InputError(
                f"of TRL's trainers MERCallback takes {SINGLE}: rows of a {type(trainer).__name__} may belong together "
                "in pairs or groups, which a memory of single rows would tear apart"
            )
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
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise InputError("there is nothing to train: none of the model's parameters requires a gradient")
        if args.load_best_model_at_end and args.save_total_limit and self.memory_dir is not None and not self.saves:
            warnings.warn(
                "the best checkpoint may be older than the memory can go back to, and then can't be gone on from: give "
                "saves= as many as there will be checkpoints",
                stacklevel=2,
            )
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
            if self._trainer.model_init is not None:
                self._lowest = {}
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
        """Tell what was forgotten at the end, by the best model where that was loaded."""
        if args.load_best_model_at_end:
            self._probed = -1
        self._probe(state)

    def _probe(self, state: Any) -> None:
        if self._probed == state.global_step:
            return
        self._probed = state.global_step
        for name, data in self.probes.items():
            prefix = f"probe_{name}"
            # A DataLoader draws a number, also where nothing is shuffled.
            with torch.random.fork_rng(devices=[]), _own_loader(self._trainer):
                told = self._trainer.evaluate(data, metric_key_prefix=prefix)
            if f"{prefix}_loss" not in told:
                raise InputError(f"the probe {name!r} gives no loss: its rows need labels, as those of eval_dataset do")
            loss = float(told[f"{prefix}_loss"])
            found = [one for one in (loss, self._lowest.get(name, loss)) if not isnan(one)]
            self._lowest[name] = min(found, default=loss)
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
        return {name: narrowed(name, values.cpu(), self._narrow.get(name)) for name, values in as_batch(batch).items()}

    def _make(self, batch: Mapping[str, Tensor]) -> Reservoir:
        args, tokenizer = self._trainer.args, self._trainer.processing_class
        config = getattr(self._trainer.accelerator.unwrap_model(self._trainer.model), "config", None)
        self._narrow = narrow(batch, getattr(config, "vocab_size", None))
        padding = padding_of(batch, getattr(tokenizer, "pad_token_id", None)) if self.padding is None else self.padding
        rank, limit = args.process_index, args.save_total_limit or 1
        # Each process draws its own.
        settings: dict[str, Any] = {"seed": self.seed + rank, "saves": self.saves or limit + 1, "padding": padding}
        old = len(next(iter(batch.values()))) * self.replay_ratio / (1 - self.replay_ratio)
        if old > self.memory_size:
            warnings.warn(
                f"memory_size={self.memory_size} is fewer than the {old:.0f} old rows that a batch is to have: it has "
                "that many",
                stacklevel=2,
            )
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
        elif self._saved is None and self.remember is not None:
            warnings.warn(
                f"the memory at {path} is gone on with, and holds {len(memory)} rows already: those of remember= are "
                "not added",
                stacklevel=2,
            )
        return memory

    def _remember(self, memory: Reservoir) -> None:
        if self.remember is None:
            return
        try:
            with _own_loader(self._trainer):
                for rows in self._trainer.get_eval_dataloader(self.remember):
                    memory.add(self._narrowed(rows))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                "remember must be a data set such as trainer.train_dataset, tokenized as it is, with columns "
                f"{', '.join(self._narrow) or 'as its'}: {error}"
            ) from error


def _check_data(name: str, data: Any) -> None:
    """Refuse several data sets, or none."""
    if isinstance(data, Mapping):
        raise InputError(f"{name} must be one data set, not several by name: {', '.join(map(str, data))}")
    with suppress(TypeError):  # A stream has no length.
        if not len(data):
            raise InputError(f"{name} has no rows")


@contextmanager
def _own_loader(trainer: Any) -> Generator[None]:
    """With persistent workers a trainer keeps a loader, and gives it for all data sets that have no name."""
    kept = trainer.__dict__.pop("_eval_dataloaders", None)
    try:
        yield
    finally:
        trainer.__dict__.pop("_eval_dataloaders", None)
        if kept is not None:
            trainer._eval_dataloaders = kept


def _folder(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"checkpoint-{state.global_step}"


def _local(state: dict[str, Any]) -> dict[str, Any]:
    """An outer step's state with this process's part of each slow weight."""
    return state | {"slow": {name: local(tensor) for name, tensor in state["slow"].items()}}


def _sharded(state: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    """The other way, with shards where another state of the same process has them."""
    return state | {"slow": {name: _whole(part, like["slow"].get(name)) for name, part in state["slow"].items()}}


def _whole(part: Tensor, like: Tensor | None) -> Tensor:
    if not isinstance(like, DTensor):
        return part
    part = part.to(like.device)
    return DTensor.from_local(part, like.device_mesh, like.placements, shape=like.shape, stride=like.stride())
