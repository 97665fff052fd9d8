"""The vocabulary of the house: what a batch is, and what each part asks of the others.

Everything here is a name, a protocol or an error. A class of your own fits wherever
it has the attributes that the protocol lists; nothing needs to be inherited.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Generator, Tensor, nn

Batch = Mapping[str, Tensor]
"""Column name to tensor; all columns share their first dimension, the rows."""

Point = Mapping[str, Tensor]
"""A copy of a model's trainable parameters by name: one place in weight space."""


class InputError(ValueError):
    """Something handed in is wrong; the message names it and says what to do."""


class Diverged(FloatingPointError):
    """A loss became infinite or NaN; the weights are as they were before that step."""


def column(batch: Batch, name: str, why: str) -> Tensor:
    """The column `name` of a batch.

    Args:
        batch: any batch.
        name: the column wanted.
        why: who needs it, for the message.

    Raises:
        InputError: the batch has no such column.

    >>> column({"x": torch.zeros(2, 3)}, "y", "cross_entropy")
    Traceback (most recent call last):
    ...
    everlearn.types.InputError: cross_entropy needs the column 'y'; this batch has: x
    """
    if name not in batch:
        raise InputError(f"{why} needs the column {name!r}; this batch has: {', '.join(batch)}")
    return batch[name]


INTEGERS = frozenset({torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64})


def task_column(batch: Batch, why: str) -> Tensor:
    """The column `task` of a batch: (rows,) integers.

    Args:
        batch: any batch.
        why: who needs it, for the message.

    Raises:
        InputError: there is none, or it holds something else.
    """
    tasks = column(batch, "task", why)
    if tasks.ndim != 1 or tasks.dtype not in INTEGERS:
        raise InputError(f"{why} needs one integer a row in column 'task', not {tasks.dtype} {tuple(tasks.shape)}")
    return tasks


class Forward(Protocol):
    """How a model is called on a batch: `forward(model, batch) -> output`."""

    def __call__(self, model: nn.Module, batch: Batch, /) -> Any: ...


class Loss(Protocol):
    """One value per row: `loss(output, batch) -> (rows,)`."""

    def __call__(self, output: Any, batch: Batch, /) -> Tensor: ...


class Penalty(Protocol):
    """What a method adds to the loss of a step: `penalty(model) -> ()`."""

    def __call__(self, model: nn.Module, /) -> Tensor: ...


class Memory(Protocol):
    """A bounded store of rows. `checks.check_memory` tests one's own."""

    def expect(self, batch: Batch, /) -> None:
        """Refuse rows that could not be added, by an `InputError`; asked before they are learned."""
        ...

    def add(self, batch: Batch, /) -> None:
        """Offer the rows of a batch, in order."""
        ...

    def sample(self, n: int, /) -> Batch:
        """Draw min(n, len) rows; an empty memory gives a batch without columns."""
        ...

    def __len__(self) -> int:
        """The rows held."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs: rows, counters, generator."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Become the memory that `state` was taken from."""
        ...


@runtime_checkable
class WholeMemory(Protocol):
    """A memory that shows all that it holds."""

    def held(self) -> Batch:
        """All rows; without columns while it is empty. To be read, not changed."""
        ...


@runtime_checkable
class Holding(Protocol):
    """What can keep a saved state from being let go."""

    def hold(self, state: Mapping[str, Any], /) -> None:
        """Keep what `state_dict` gave, however many come after it, until another one is held."""
        ...

    def confirm(self, state: Mapping[str, Any], /) -> None:
        """What `state_dict` gave is kept elsewhere, in a file, say: till then it may give way to later ones."""
        ...


@runtime_checkable
class TaskMemory(Protocol):
    """A memory that keeps the rows of each task apart."""

    def tasks(self) -> list[int]:
        """The tasks of which there are rows, in the order in which they first came."""
        ...

    def rows(self, task: int, /) -> Batch:
        """The rows of one of them. To be read, not changed."""
        ...


class Learning(Protocol):
    """The seam: all that a method may ask of a learner."""

    @property
    def model(self) -> nn.Module: ...

    @property
    def memory(self) -> Memory: ...

    @property
    def generator(self) -> Generator:
        """For the method's own chance."""
        ...

    @property
    def state(self) -> dict[str, Any]:
        """The method's own tensors, points and counters; empty at the start, saved, resumed."""
        ...

    def descend(self, batch: Batch, weight: Tensor | None = None, penalty: Penalty | None = None) -> Tensor:
        """One optimizer step on the mean of weight·loss, plus a penalty; the rows' losses before it."""
        ...

    def descend_each(self, batch: Batch, weight: Tensor | None = None) -> Tensor:
        """One optimizer step per row, in order; each row's loss before its own step."""
        ...

    def gradient(self, batch: Batch) -> tuple[Tensor, Point]:
        """The rows' losses, and the gradient of their mean by the trainable parameters."""
        ...

    def gradients(self, batches: Sequence[Batch]) -> Tensor:
        """(batches, parameters) such a gradient for each of several batches, as a vector in the model's order."""
        ...

    def apply(self, gradient: Point) -> None:
        """One optimizer step along a gradient."""
        ...

    def snapshot(self) -> Point:
        """A copy of the trainable parameters."""
        ...

    def move_from(self, before: Point, rate: float) -> None:
        """θ ← before + rate · (θ − before)."""
        ...


class Method(Protocol):
    """How a learner learns from a batch of new rows. `checks.check_method` tests one's own."""

    def __call__(self, learner: Learning, batch: Batch, /) -> Tensor:
        """Learn from the batch.

        Returns:
            (rows,) the loss of each new row before the first step taken on it.
        """
        ...


@runtime_checkable
class Stream(Protocol):
    """A stream that knows its tasks. Any iterable of batches is a stream without."""

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        ...

    def train(self, task: int, /) -> Iterator[Batch]:
        """The training batches of one task, in order, with a column `task`."""
        ...

    def test(self, task: int, /) -> Batch:
        """The whole test set of one task."""
        ...

    def __iter__(self) -> Iterator[Batch]:
        """The training batches of all tasks, in order."""
        ...


Batches = Iterable[Batch | tuple[Tensor, Tensor] | list[Tensor]]
"""What a user's own stream may be: a DataLoader, a generator, a list."""

Sink = Callable[[dict[str, float], int], object]
"""`sink(values, number)`: where measures go, and when they were taken, counted in rows or in times."""
