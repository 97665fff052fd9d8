"""Each row's own gradient, and the dot products between them."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from everlearn.batches import as_batch, count, rows
from everlearn.learner import Learner
from everlearn.modes import evaluation_mode
from everlearn.types import Batch


@dataclass(frozen=True)
class Gradients:
    """The gradients of some rows, each by itself, kept layer by layer.

    A linear layer's gradient on one row is an outer product, of its inputs (and 1, for the bias) and of
    the gradient by its outputs: those two are kept, and dot products are exact without ever writing it out. Other
    layers' gradients are kept whole, as the outer product of 1 and themselves.
    """

    layers: Mapping[str, tuple[Tensor, Tensor]]
    """By the layer's name in the model, (rows, m) and (rows, n): row i's gradient has the m · n elements aᵢ bᵢᵀ."""

    def products(self, others: "Gradients") -> "Products":
        """All dot products between these rows' gradients and those of others, of the same model."""
        return Products(
            {
                name: (a @ others.layers[name][0].T) * (b @ others.layers[name][1].T)
                for name, (a, b) in self.layers.items()
            },
            self._squares(),
            others._squares(),
        )

    def _squares(self) -> dict[str, Tensor]:
        return {name: (a * a).sum(1) * (b * b).sum(1) for name, (a, b) in self.layers.items()}


@dataclass(frozen=True)
class Products:
    """Dot products between the gradients of some rows and of others."""

    layers: Mapping[str, Tensor]
    """By layer, (rows, others)."""
    squares: Mapping[str, Tensor]
    """By layer, (rows,) the rows' gradients' own squared lengths."""
    others_squares: Mapping[str, Tensor]
    """By layer, (others,) those of the others."""

    def dot(self, layer: str | None = None) -> Tensor:
        """(rows, others) dot products: of the whole gradients, or of one layer's part."""
        return _total(self.layers, layer)

    def cosine(self, layer: str | None = None) -> Tensor:
        """(rows, others) cosines of the angles between them; 0 where a gradient is zero."""
        lengths = _total(self.squares, layer)[:, None].sqrt() * _total(self.others_squares, layer).sqrt()
        return torch.where(lengths > 0, self.dot(layer) / lengths, 0.0)


def _total(parts: Mapping[str, Tensor], layer: str | None) -> Tensor:
    return torch.stack(list(parts.values())).sum(0) if layer is None else parts[layer]


def gradients(learner: Learner, batch: Any) -> Gradients:
    """The gradient of each row's loss by the trainable parameters.

    Costs one forward and one backward pass where all trainable parameters are those of linear layers
    that are each called once on (rows, inputs). Otherwise two of each, the second by `torch.func.vmap`: for
    attention some three times as fast as row by row, for wide convolutions .6 times (`make bench`). Where the
    forward can't be vectorised, such as with heads chosen by the task, row by row.

    Args:
        learner: whose model, loss and forward are taken; it stays as it is.
        batch: any rows.

    >>> import everlearn as el
    >>> model = el.mlp([2, 3])
    >>> learner = el.Learner(model, torch.optim.SGD(model.parameters(), 0.1), el.cross_entropy, method=el.Online())
    >>> rows = gradients(learner, (torch.eye(2), torch.tensor([0, 0])))
    >>> rows.products(rows).dot().shape
    torch.Size([2, 2])
    """
    model, batch = learner.model, learner.prepared(as_batch(batch))
    with evaluation_mode(model), torch.enable_grad():
        linear = _linear_layers(model)
        found = _by_factors(learner, batch, linear) if linear else None
        return found or _by_vmap(learner, batch) or _by_rows(learner, batch)


def _linear_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """The linear layers by name, where every trainable parameter is one's own; else none."""
    # A subclass may compute something else, and a parametrized layer is one.
    layers = {
        name: cast(nn.Linear, layer)
        for name, layer in model.named_modules()
        if type(layer) is nn.Linear and any(p.requires_grad for p in layer.parameters())
    }
    # A tied weight is there twice.
    own = sorted(id(parameter) for layer in layers.values() for parameter in layer.parameters())
    return layers if own == sorted(id(p) for p in model.parameters() if p.requires_grad) else {}


def _by_factors(learner: Learner, batch: Batch, layers: Mapping[str, nn.Linear]) -> Gradients | None:
    """From each linear layer's inputs and the gradient by its outputs; None where these do not tell all.

    So where a layer is called more than once or not on rows, or its inputs or outputs are overwritten
    later; and where its weights are used otherwise too, which shows in their whole gradient.
    """
    calls: dict[str, list[tuple[Tensor, Tensor, int, int]]] = {name: [] for name in layers}

    def note(name: str, _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        below = inputs[0] if inputs else output.new_empty(0)
        calls[name].append((below, output, below._version, output._version))

    handles = [layer.register_forward_hook(partial(note, name)) for name, layer in layers.items()]
    try:
        losses = _own_losses(learner, learner.forward(learner.model, batch), batch)
    finally:
        for handle in handles:
            handle.remove()
    if losses is None:
        return None
    for own in calls.values():
        if len(own) != 1 or own[0][0].shape[:-1] != (count(batch),):
            return None
        below, output, *versions = own[0]
        if versions != [below._version, output._version]:
            return None
    outputs = [own[0][1] for own in calls.values()]
    parameters = [parameter for layer in layers.values() for parameter in layer.parameters()]
    found = torch.autograd.grad(losses.sum(), [*outputs, *parameters], materialize_grads=True)
    errors, whole = found[: len(outputs)], iter(found[len(outputs) :])
    kept = {}
    for (name, own), error in zip(calls.items(), errors, strict=True):
        below = own[0][0].detach()
        kept[name] = (below if layers[name].bias is None else nn.functional.pad(below, (0, 1), value=1.0), error)
        for ours in [error.T @ below] if layers[name].bias is None else [error.T @ below, error.sum(0)]:
            if not _agree(ours, next(whole)):
                return None
    return Gradients(kept)


def _own_losses(learner: Learner, output: Any, batch: Batch) -> Tensor | None:
    """(rows,) each row's loss by itself, of which some losses make a share; None where its output can't be told."""
    if not isinstance(output, Tensor) or output.shape[:1] != (count(batch),):
        return None
    return torch.cat([learner.loss(own, row) for own, row in zip(output.split(1), rows(batch), strict=True)])


def _by_vmap(learner: Learner, batch: Batch) -> Gradients | None:
    """From the gradients by the outputs, carried back row by row in one pass of `torch.func`; None where that can't be.

    So where the forward looks at values, as heads that are chosen by a row's task do, or draws random numbers; and
    where weights are used that can't be replaced, which shows in the whole gradient.
    """
    call = _Call(learner)
    parameters = {name: p for name, p in learner.model.named_parameters() if p.requires_grad}
    # By every name that a parameter has, but each module's once: `functional_call` restores a module once.
    first = {id(p): name for name, p in parameters.items()}
    names = {
        f"{place}.{name}": first[id(p)]
        for place, module in call.named_modules()
        for name, p in module.named_parameters(recurse=False, remove_duplicate=False)
        if p.requires_grad
    }
    output = call(batch)
    losses = _own_losses(learner, output, batch)
    if losses is None:
        return None
    found = torch.autograd.grad(losses.sum(), [output, *parameters.values()], materialize_grads=True)

    def back(row: Batch, error: Tensor) -> dict[str, Tensor]:
        def forward(own: dict[str, Tensor]) -> Tensor:
            replaced = {name: own[same] for name, same in names.items()}
            alone = {name: value[None] for name, value in row.items()}
            return functional_call(call, replaced, (alone,), tie_weights=False)[0]

        return vjp(forward, {name: p.detach() for name, p in parameters.items()})[1](error)[0]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of operations that vmap knows no faster way for.
        try:
            each = vmap(back)(batch, found[0])
        except Exception:
            return None  # Whatever it was: row by row is right, or tells the user.
    agree = all(_agree(own.sum(0), total) for own, total in zip(each.values(), found[1:], strict=True))
    return _whole(each) if agree else None


class _Call(nn.Module):
    """A learner's forward as a module, whose model's parameters can be replaced."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.model, self._of = learner.model, learner.forward

    def forward(self, batch: Batch) -> Any:
        return self._of(self.model, batch)


def _by_rows(learner: Learner, batch: Batch) -> Gradients:
    parameters = {name: p for name, p in learner.model.named_parameters() if p.requires_grad}
    each = []
    for row in rows(batch):
        loss = learner.loss(learner.forward(learner.model, row), row).sum()
        each.append(torch.autograd.grad(loss, list(parameters.values()), materialize_grads=True))
    return _whole(dict(zip(parameters, map(torch.stack, zip(*each, strict=True)), strict=True)))


def _whole(parameters: Mapping[str, Tensor]) -> Gradients:
    """From each parameter's gradients, (rows, …)."""
    layers: dict[str, list[Tensor]] = {}
    for name, each in parameters.items():
        layers.setdefault(name.rpartition(".")[0], []).append(each.flatten(1))
    return Gradients(
        {layer: (parts[0].new_ones(len(parts[0]), 1), torch.cat(parts, 1)) for layer, parts in layers.items()}
    )


def _agree(ours: Tensor, total: Tensor) -> bool:
    """Whether the sum over rows is the whole gradient, but for rounding.

    In single precision a row alone can fall on another side of a unit's or a pool's edge than it does in its batch.
    """
    most = 1e-6 if total.dtype is torch.float64 else 1e-2
    return float((ours - total).norm()) <= most * float(total.norm())


def products(learner: Learner, new: Any, old: Any) -> Products:
    """Dot products and cosines between the gradients of some rows and of others.

    Args:
        learner: whose model, loss and forward are taken; it stays as it is.
        new: any rows.
        old: any other rows, such as some that are stored.
    """
    return gradients(learner, new).products(gradients(learner, old))
