"""A language model's reading of one text after another, as a value."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import ceil, cos, pi
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import torch
from torch import Tensor

from everlearn import recorded
from everlearn.chance import generator
from everlearn.learner import Learner
from everlearn.lm.arms import arm_name
from everlearn.lm.llama import SIZES, call_on_tokens, llama
from everlearn.lm.rows import Tokens, cut, vocabulary
from everlearn.lm.texts import TEXTS, digest
from everlearn.losses import next_token
from everlearn.memory import Reservoir
from everlearn.methods import MERBatches
from everlearn.ranges import at_least, one_of, positive
from everlearn.types import Batch, InputError, Memory

WARM, LEAST = 0.01, 0.1
"""Of the steps, in which the learning rate rises; of the rate, to which a cosine falls."""


@dataclass(frozen=True)
class Opened:
    """The texts were opened."""

    digests: dict[str, str]
    """By name, what tells a text from another of that name, such as the source of another Python."""


@dataclass(frozen=True)
class Read:
    """A batch was learned."""

    step: int
    loss: float


@dataclass(frozen=True)
class Tested:
    """The model was tested on all texts."""

    step: int
    losses: list[float]
    """Of each text, in nats a byte."""
    learning: float
    """Seconds since the last test."""
    remembering: float
    """Of these, in which the memory was written and drawn from."""


@dataclass(frozen=True)
class LanguageExperiment:
    """One model reads texts one after another, or all at once. Everything random follows from `seed`.

    Each step learns a batch of `batch` rows, whatever the method: those that it replays are among them, so that all
    methods take as many steps on as many tokens, and those that replay read fewer new ones.
    """

    method: MERBatches
    """How a batch is learned."""
    lr: float = 0.003
    """AdamW's learning rate, at its highest."""
    schedule: Literal["constant", "cosine"] = "constant"
    """What becomes of the rate over all texts."""
    memory: int | None = None
    """Rows that the memory holds at most; by default all that came."""
    joint: bool = False
    """Whether rows of all texts come mixed, from the beginning."""
    texts: tuple[str, ...] = ("english", "german", "python")
    """Of `TEXTS`, in their order."""
    tokens: Tokens = "bytes"
    """Bytes, or byte pairs counted on these texts."""
    size: str = "small"
    """The model's, of `SIZES`."""
    steps: int = 250
    """Batches of each text."""
    batch: int = 20
    """Rows of a batch."""
    context: int = 128
    """Tokens of a row."""
    every: int = 50
    """Steps from one test to the next; there is one at each text's end too."""
    tested: int = 100
    """Rows of each text that are tested on."""
    kept: Literal["testing", "validation"] = "testing"
    """Of the rows that are kept back, those that are tested on; to choose by, it is the others."""
    seed: int = 0
    """Of the weights, the order of the rows, and the memory."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", tuple(self.texts))
        at_least(1, steps=self.steps, batch=self.batch, every=self.every, tested=self.tested, texts=len(self.texts))
        at_least(2, context=self.context)
        at_least(0, seed=self.seed)
        positive(lr=self.lr)
        if self.method.replayed >= self.batch:
            raise InputError(f"of the {self.batch} rows of a batch, {self.method.replayed} can't be old ones")
        for name in self.texts:
            one_of(TEXTS, texts=name)
        one_of(SIZES, size=self.size)
        one_of(("constant", "cosine"), schedule=self.schedule)
        one_of(("testing", "validation"), kept=self.kept)

    @property
    def length(self) -> int:
        """Batches of all texts."""
        return self.steps * len(self.texts)

    @property
    def unit(self) -> str:
        """What its length is counted in."""
        return "batches"

    @property
    def label(self) -> str:
        """A short name."""
        return f"{self.arm} seed {self.seed}"

    @property
    def arm(self) -> str:
        """How it reads, in short."""
        return arm_name(self.method, self.joint)

    def progress(self, event: Opened | Read | Tested) -> tuple[int, str] | None:
        """Batches read, and the loss."""
        return (event.step, f"loss {event.loss:.2f}") if isinstance(event, Read) else None

    def config(self) -> dict[str, Any]:
        """All settings as JSON has them."""
        return asdict(self) | {"texts": list(self.texts)}

    def folder(self) -> str:
        """A name for the run's folder; runs that differ only in the seed share all but its end."""
        config = {name: value for name, value in self.config().items() if name != "seed"}
        return f"{self.tokens}-{self.size}-{recorded.key(config)}-seed{self.seed}"

    def learner(self) -> Learner:
        """The learner as it begins."""
        model = llama(self.size, vocabulary(self.tokens), self.context, self.seed)
        optimizer = torch.optim.AdamW(model.parameters(), lr=self.lr, betas=(0.9, 0.95), weight_decay=0.1)

        def step(loss: Tensor) -> None:
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

        most = self.memory or self.length * self.batch
        memory = Clocked(Reservoir(most if self.method.replayed else 1, seed=self.seed))
        return Learner(
            model, optimizer, next_token, memory=memory, method=self.method, forward=call_on_tokens, step=step
        )

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        total = self.length
        warm = ceil(WARM * total)
        if step < warm:
            return self.lr * (step + 1) / warm
        if self.schedule == "constant":
            return self.lr
        return self.lr * (LEAST + (1 - LEAST) * (1 + cos(pi * (step - warm) / (total - warm))) / 2)

    def batches(self) -> list[Tensor]:
        """The new rows of each step: (rows, context) uint16; of each text some in an order drawn by the seed."""
        new = self.batch - self.method.replayed
        read = []
        for name in self.texts:
            rows = cut(name, self.texts, self.tokens, self.context).training
            if len(rows) < self.steps * new:
                raise InputError(f"{name!r} has {len(rows)} rows, fewer than the {self.steps * new} to be read")
            order = torch.randperm(len(rows), generator=generator(self.seed, f"rows of {name}"))
            read.append(rows[order[: self.steps * new]])
        everything = torch.cat(read)
        if self.joint:
            everything = everything[torch.randperm(len(everything), generator=generator(self.seed, "joint"))]
        return list(everything.split(new))

    def is_finished(self, folder: Path) -> bool:
        """Whether a folder holds this run, whole."""
        return recorded.is_finished(folder, self.config())

    def perform(self, folder: Path) -> Iterator[Opened | Read | Tested]:
        """Run into a folder, or go on from the last test there; nothing where it is finished.

        Yields:
            The events; all but `Read` are recorded.

        Raises:
            InputError: the folder holds a run of other settings or other texts, or another process is running there.
            OSError: the disk is full; the record is whole up to the last event.
        """
        return recorded.perform(folder, self.config(), self.learner().path, self._life, Read)

    def _life(self, state: Mapping[str, Any] | None) -> Iterator[tuple[Opened | Read | Tested, dict[str, Any] | None]]:
        learner, batches, done = self.learner(), self.batches(), 0
        digests = {name: digest(name) for name in self.texts}
        if state is not None:
            if state["digests"] != digests:
                raise InputError("this run began with other texts, or with those of another Python")
            learner.load_state_dict(state)
            done = state["step"]
        else:
            yield Opened(digests), None
            yield self._tested(learner, 0, 0.0, 0.0), None
        learning, memory = 0.0, learner.memory
        assert isinstance(memory, Clocked)
        for step, rows in enumerate(batches[done:], done):
            start = perf_counter()
            learner.optimizer.param_groups[0]["lr"] = self.rate(step)
            loss = learner.learn({"input_ids": rows})
            learning += perf_counter() - start
            yield Read(step + 1, float(loss)), None
            if (step + 1) % self.every == 0 or (step + 1) % self.steps == 0:
                event = self._tested(learner, step + 1, learning, memory.seconds)
                learning, memory.seconds = 0.0, 0.0
                yield event, learner.state_dict() | {"step": step + 1, "digests": digests}

    def _tested(self, learner: Learner, step: int, learning: float, remembering: float) -> Tested:
        losses = [self._loss(learner, name) for name in self.texts]
        return Tested(step, losses, learning, remembering)

    def _loss(self, learner: Learner, name: str) -> float:
        """Nats a byte on a text's rows that are kept back, but for each row's first token."""
        own = cut(name, self.texts, self.tokens, self.context)
        kept = own.testing if self.kept == "testing" else own.validation
        rows = kept[torch.linspace(0, len(kept) - 1, self.tested).long()]
        nats = sum(float(learner.losses({"input_ids": part}).sum()) for part in rows.split(self.batch))
        return nats * (self.context - 1) / int(own.bytes_of[rows[:, 1:].long()].sum())


class Clocked:
    """A memory, and how long it took."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.seconds = 0.0

    def expect(self, batch: Batch) -> None:
        """As the memory does."""
        self.memory.expect(batch)

    def add(self, batch: Batch) -> None:
        """As the memory does."""
        start = perf_counter()
        self.memory.add(batch)
        self.seconds += perf_counter() - start

    def sample(self, n: int) -> Batch:
        """As the memory does."""
        start = perf_counter()
        found = self.memory.sample(n)
        self.seconds += perf_counter() - start
        return found

    def __len__(self) -> int:
        return len(self.memory)

    def state_dict(self) -> dict[str, Any]:
        """The memory's."""
        return self.memory.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Into the memory."""
        self.memory.load_state_dict(state)
