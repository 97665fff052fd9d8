"""A multilayer perceptron's compiled twin: its weights in one buffer, where the kernel steps."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, prod
from typing import Any

import numpy as np
import torch
from torch import Size, Tensor, nn
from torch.autograd.graph import increment_version

from everlearn.fast.coverage import flattens, layers_of, parameters_of
from everlearn.losses import chosen_huber, cross_entropy, huber, squared
from everlearn.types import Batch, InputError, Point

Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""(rows, inputs) x, then labels, targets and weights, each of those empty where it is not needed."""


MOST = 1_500_000
"""Weights that rows touch, and four times all of them for copying, up to which a step on many rows is faster here:
measured, against torch."""


APART = 1024
"""Bytes from one line of weights to the next, of which every multiple makes numpy transpose up to nine times slower
(measured): lines fall on the same places of the processor's cache. Torch goes in squares, which is slower elsewhere."""


def _up(width: int) -> int:
    """A width as the kernel has it: rounded up to a multiple of eight."""
    return -(-width // 8) * 8


def _room(shape: Size) -> int:
    """The elements that a parameter takes in the buffer."""
    return prod(map(_up, shape))


@dataclass(frozen=True, eq=False)
class FlatPoint(Mapping[str, Tensor]):
    """A point in one buffer, as the kernel has it; its tensors are views of that, made when asked for."""

    flat: Tensor
    """Layer after layer weights, (inputs, outputs) row by row, and then the bias; widths rounded up, the rest 0."""
    shapes: dict[str, Size]
    """Of the model's parameters, in this order."""

    @classmethod
    def zeros(cls, shapes: dict[str, Size], dtype: torch.dtype) -> "FlatPoint":
        """The origin."""
        return cls(torch.zeros(sum(map(_room, shapes.values())), dtype=dtype, device="cpu"), shapes)

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    def tensors(self) -> dict[str, Tensor]:
        """All of them, in the shapes of the model's parameters."""
        parts = self.flat.split([_room(shape) for shape in self.shapes.values()])
        return {name: _view(part, shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}


def _view(part: Tensor, shape: Size) -> Tensor:
    if len(shape) == 1:
        return part[: shape[0]]
    outputs, inputs = shape
    return part.view(_up(inputs), _up(outputs))[:inputs, :outputs].t()


class Perceptron:
    """The compiled twin of a model that `coverage.objections` has nothing against.

    It takes the model's parameters into a buffer of its own at the first step, and puts them back
    when told: between, the buffer has the newer ones. The model's parameters keep their layout and
    their storage.

    Args:
        model: a Sequential of Linear layers with ReLU or Tanh between them, and maybe a Flatten before.
        loss: `cross_entropy`, `squared`, `huber` or `chosen_huber`; none where no steps are taken.
    """

    def __init__(self, model: nn.Module, loss: Any = None) -> None:
        from everlearn.fast import kernel  # noqa: PLC0415

        layers = layers_of(model)
        self._made_for = (loss, layers)
        self._flattens = flattens(model)
        self._code = {
            cross_entropy: kernel.CROSS_ENTROPY,
            squared: kernel.SQUARED,
            huber: kernel.HUBER,
            chosen_huber: kernel.CHOSEN_HUBER,
        }.get(loss)
        self._tanh = len(layers) > 1 and isinstance(layers[1], nn.Tanh)
        self._parameters = parameters_of(layers)
        weights = self._parameters[::2]
        self._inputs, self._outputs = weights[0].shape[1], weights[-1].shape[0]
        self._widths = np.array([_up(self._inputs), *(_up(weight.shape[0]) for weight in weights)])
        self._dtype = self._parameters[0].dtype
        self._kernel = kernel.compiled(self._dtype)
        shapes = {name: p.shape for name, p in model.named_parameters()}
        self._own = FlatPoint.zeros(shapes, self._dtype)
        self._tensors = list(self._own.tensors().values())
        self._arrays = [tensor.numpy() for tensor in self._tensors]
        self._theta = self._own.flat.numpy()
        # For the arguments that a call does not need.
        self._no_labels = np.empty(0, np.int64)
        self._no_targets = np.empty((0, 0), self._theta.dtype)
        self._no_weight = np.empty(0, self._theta.dtype)
        self._taken: list[int] = []
        self._newer = False

    def is_of(self, model: nn.Module, loss: Any) -> bool:
        """Whether loss, layers and parameters are still those that this was made for."""
        layers = layers_of(model)
        return (self._made_for, self._flattens) == ((loss, layers), flattens(model)) and all(
            p is own and p.shape == tensor.shape and p.dtype is self._dtype
            for p, own, tensor in zip(parameters_of(layers), self._parameters, self._tensors, strict=True)
        )

    @torch.no_grad()
    def put_back(self) -> None:
        """Give the model what was learned here.

        Raises:
            InputError: the model's parameters were changed since they were taken; they stay so.
        """
        if not self._newer:
            return
        self._newer = False
        if self._versions() != self._taken:
            raise InputError(
                "the model's weights were changed in the middle of a learn, of which the compiled path knew nothing: "
                "in a method, ask for learner.model anew after each step; see the guide on speed"
            )
        # Numpy transposes faster than torch, but torch doesn't see it.
        for parameter, own in zip(self._parameters, self._arrays, strict=True):
            np.copyto(parameter.detach().numpy(), own)
            increment_version(parameter)

    def _versions(self) -> list[int]:
        """How often torch has changed each of the model's parameters."""
        return [parameter._version for parameter in self._parameters]

    def take(self) -> None:
        """Take the model's parameters as they are now."""
        for parameter, own, array in zip(self._parameters, self._tensors, self._arrays, strict=True):
            if parameter.stride(0) * parameter.itemsize % APART:
                np.copyto(array, parameter.detach().numpy())
            else:
                own.t().copy_(parameter.detach().t())
        self._taken = self._versions()
        self._newer = True

    def is_finite(self) -> bool:
        """Whether it is sure that no parameter of the model is NaN or infinite."""
        return self._newer and isfinite(self._own.flat.sum())

    def rows(self, batch: Batch, weight: Tensor | None) -> Rows | str:
        """The rows of a batch as the kernel, which does not look, takes them to be; or why they are otherwise.

        Args:
            batch: any rows.
            weight: (rows,) each scales the loss of its row's step; None is 1.
        """
        dtype = self._theta.dtype
        try:
            x = batch["x"].flatten(1).numpy() if self._flattens else batch["x"].numpy()
            labels, targets = self._wanted(batch)
            factors = self._no_weight if weight is None else weight.to(self._dtype).numpy()
        except (KeyError, TypeError, RuntimeError, IndexError):
            return (
                "a column that is needed, or the rows' weights, are missing, not on the CPU, sparse or with gradients"
            )
        if x.dtype != dtype or x.shape[1:] != (self._inputs,):
            return f"the rows' x are not {dtype} of shape ({self._inputs},)"
        if weight is not None and factors.shape != x.shape[:1]:
            return "there is not one weight for each row"
        if labels is not self._no_labels:
            if labels.shape != (len(x),) or labels.dtype.kind not in "biu":
                return "the rows' labels, or actions, are not integers, one each"
            labels = labels.astype(np.int64, copy=False)
        width = 1 if self._made_for[0] is chosen_huber else self._outputs
        if targets is not self._no_targets and (targets.shape != (len(x), width) or targets.dtype != dtype):
            return f"the rows' targets are not {dtype} of shape ({width},)"
        return x, labels, targets, factors

    def _wanted(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """The labels and the targets that the loss is about."""
        loss = self._made_for[0]
        if loss is cross_entropy:
            return batch["y"].numpy(), self._no_targets
        if loss is chosen_huber:
            return batch["action"].numpy(), batch["target"].numpy()[:, None]
        return self._no_labels, batch["y"].numpy()

    def descend_each(self, rows: Rows, lr: float) -> Tensor:
        """A step on each row, in order.

        Args:
            rows: as `rows` gives them.
            lr: the learning rate.

        Returns:
            The losses before the steps; fewer than there are rows where it ended before one whose
            loss is not finite or whose label is out of range.
        """
        if not self._newer:
            self.take()
        x, labels, targets, factors = map(np.ascontiguousarray, rows)
        losses = np.empty(len(x), x.dtype)
        done = self._steps(self._theta, x, labels, targets, lr, factors, losses)
        return torch.from_numpy(losses[:done])

    def gains(self, rows: Rows) -> bool:
        """Whether one step on these rows takes less time here than by torch, which takes them all at once."""
        x, width = rows[0], self._widths[1]
        above = self._theta.size - self._widths[0] * width
        return np.count_nonzero(x) * width + len(x) * above + 4 * self._theta.size <= MOST

    def descend(self, rows: Rows, lr: float) -> Tensor | None:
        """One step on the rows' mean weighted loss.

        Args:
            rows: as `rows` gives them.
            lr: the learning rate.

        Returns:
            The losses before the step; None, and no step was taken, where there are no rows, a loss or the mean
            is not finite, or a label is out of range.
        """
        if not self._newer:
            self.take()
        x, labels, targets, factors = map(np.ascontiguousarray, rows)
        shares = (factors if len(factors) else np.ones(len(x), x.dtype)) / x.dtype.type(len(x))
        losses = np.empty(len(x), x.dtype)
        np.copyto(self._stepped, self._theta)
        done = self._steps(self._stepped, x, labels, targets, lr, shares, losses)
        if done == 0 or done < len(x) or not isfinite(shares @ losses):
            return None
        np.copyto(self._theta, self._stepped)
        return torch.from_numpy(losses)

    @cached_property
    def _stepped(self) -> np.ndarray:
        return np.empty_like(self._theta)

    def _steps(self, stepped: np.ndarray, *given: Any) -> int:
        return self._kernel(self._theta, stepped, self._widths, self._outputs, self._tanh, self._code, *given)

    @cached_property
    def _outputs_of(self) -> Callable[..., None]:
        from everlearn.fast import kernel  # noqa: PLC0415

        return kernel.compiled_outputs(self._dtype)

    def outputs(self, x: Tensor) -> Tensor | None:
        """What the parameters that were taken, and changed since, give for rows.

        Args:
            x: (rows, inputs), or what is flattened to that.

        Returns:
            (rows, outputs); None where the rows are otherwise.
        """
        given = x.flatten(1) if self._flattens and x.ndim > 1 else x
        if given.dtype is not self._dtype or given.ndim != 2 or given.shape[1] != self._inputs or not given.is_cpu:
            return None
        found = np.empty((len(given), self._outputs), self._theta.dtype)
        rows = np.ascontiguousarray(given.detach().numpy())
        self._outputs_of(self._theta, self._widths, self._tanh, rows, found)
        return torch.from_numpy(found)

    def snapshot(self) -> FlatPoint:
        """A copy of the parameters."""
        if not self._newer:
            self.take()
        return FlatPoint(self._own.flat.clone(), self._own.shapes)

    @torch.no_grad()
    def move_from(self, before: Point, rate: float) -> bool:
        """θ ← before + rate · (θ − before), where `before` is a point of this model's shapes and dtype.

        Returns:
            Whether it is; nothing is done otherwise.
        """
        if rate == 1:
            return True
        start = before.flat if isinstance(before, FlatPoint) and before.shapes == self._own.shapes else None
        if start is None:
            start = self._flat_of(before)
        if start is None or start.dtype is not self._dtype:
            return False
        if not self._newer:
            self.take()
        if rate:
            torch.lerp(start, self._own.flat, rate, out=self._own.flat)
        else:
            # From infinity too, of which no part is 0.
            self._own.flat.copy_(start)
        return True

    def _flat_of(self, point: Point) -> Tensor | None:
        """A point of named tensors, as the readable path or a file has it, in one buffer; None where it doesn't fit."""
        if {name: tensor.shape for name, tensor in point.items()} != self._own.shapes:
            return None
        flat = FlatPoint.zeros(self._own.shapes, next(iter(point.values())).dtype)
        for tensor, given in zip(flat.tensors().values(), point.values(), strict=True):
            tensor.copy_(given)
        return flat.flat
