"""Which path a learner's steps take, and whether the model or its compiled twin has the newer weights."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from everlearn.fast.coverage import objections
from everlearn.fast.perceptron import Perceptron, Rows
from everlearn.types import Batch


class Step(NamedTuple):
    """What a learner's step is made of, beside its model."""

    loss: Any
    optimizer: Optimizer
    own: str
    """Which part of it is the user's own; nothing where none is."""


class Paths:
    """Steps within a `learn` are taken on the model's compiled twin, where there can be one.

    Whether there can is asked at the first step, and anew once the model was handed out or a part of the
    step was replaced.

    Args:
        model: the learner's.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._twin: Perceptron | None = None
        self._active: Perceptron | None = None
        self._asked: tuple[Any, ...] | None = None
        self._learning = False
        self._refused = ""

    @contextmanager
    def learning(self) -> Generator[None]:
        """Within, the twin may have newer weights than the model; after, the model has them."""
        self._learning = True
        try:
            yield
        finally:
            self._learning = False
            self.put_back()

    def put_back(self) -> None:
        """The model has what was learned, and may now be changed.

        Raises:
            InputError: as `Perceptron.put_back` has it.
        """
        active, self._active, self._asked = self._active, None, None
        if active is not None:
            active.put_back()

    def objections(self, step: Step) -> Iterator[str]:
        """Why the twin can't take such steps, one reason after another; nothing where it can."""
        if step.own:
            yield f"{step.own} is one's own"
        yield from objections(self._model, step.optimizer, step.loss)

    def told(self, step: Step) -> str:
        """Which path it would be just now: "compiled", or "readable: " and why; the last rows count too."""
        why = next(self.objections(step), self._refused)
        return f"readable: {why}" if why else "compiled"

    def twin(self, step: Step) -> Perceptron | None:
        """The twin that such steps are taken on; none outside of a `learn`, or where it can't take them."""
        if not self._learning:
            return None
        asked = (*step, torch.is_grad_enabled())
        if self._asked != asked:
            self.put_back()
            self._asked, self._active = asked, self._where_covered(step)
        return self._active

    def _where_covered(self, step: Step) -> Perceptron | None:
        if next(self.objections(step), None) is not None:
            return None
        if self._twin is None or not self._twin.is_of(self._model, step.loss):
            self._twin = Perceptron(self._model, step.loss)
        # A learning rate scheduler asks for this, and warns where no step was taken.
        step.optimizer._opt_called = True  # ty: ignore[missing-attribute]
        return self._twin

    def ready(self, step: Step, batch: Batch, weight: Tensor | None) -> tuple[Perceptron, Rows] | None:
        """The twin, and the rows as it takes them; none where there is no twin, or they are otherwise."""
        twin = self.twin(step)
        found = "" if twin is None else twin.rows(batch, weight)
        self._refused = found if isinstance(found, str) else ""
        return None if twin is None or isinstance(found, str) else (twin, found)

    def is_finite(self) -> bool:
        """Whether it is sure that no parameter is NaN or infinite."""
        return self._active is not None and self._active.is_finite()

    def __getstate__(self) -> dict[str, Any]:
        # A copied or pickled learner makes a twin of its own model.
        return self.__dict__ | {"_twin": None, "_active": None, "_asked": None, "_learning": False}
