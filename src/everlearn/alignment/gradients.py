"""Each row's own gradient, and the dot products between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

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
    that are each called once on (rows, inputs); otherwise one of each for every row.

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
        return (_by_factors(learner, batch, linear) if linear else None) or _by_rows(learner, batch)


def _linear_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """The linear layers by name, where every trainable parameter is one's own; else none."""
    layers: dict[str, nn.Linear] = {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear)
        and type(layer) is nn.Linear
        and any(p.requires_grad for p in layer.parameters())
    }
    own = [parameter for layer in layers.values() for parameter in layer.parameters()]
    trainable = {id(p) for p in model.parameters() if p.requires_grad}
    # A subclass may compute something else, a parametrized layer is one, and a tied weight counts twice.
    plain = all(type(layer) is nn.Linear for layer in layers.values()) and len(own) == len(trainable)
    return layers if plain and {id(p) for p in own} == trainable else {}


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
        losses = learner.loss(learner.forward(learner.model, batch), batch)
    finally:
        for handle in handles:
            handle.remove()
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
            total = next(whole)
            if not torch.allclose(ours, total, rtol=1e-3, atol=1e-4 * float(total.abs().max())):
                return None
    return Gradients(kept)


def _by_rows(learner: Learner, batch: Batch) -> Gradients:
    each: dict[str, list[Tensor]] = {}
    names = {name: p for name, p in learner.model.named_parameters() if p.requires_grad}
    for row in rows(batch):
        loss = learner.loss(learner.forward(learner.model, row), row).sum()
        own: dict[str, list[Tensor]] = {}
        for name, part in zip(
            names, torch.autograd.grad(loss, list(names.values()), materialize_grads=True), strict=True
        ):
            own.setdefault(name.rpartition(".")[0], []).append(part.flatten())
        for layer, pieces in own.items():
            each.setdefault(layer, []).append(torch.cat(pieces))
    stacked = {layer: torch.stack(of_rows) for layer, of_rows in each.items()}
    return Gradients({layer: (part.new_ones(len(part), 1), part) for layer, part in stacked.items()})


def products(learner: Learner, new: Any, old: Any) -> Products:
    """Dot products and cosines between the gradients of some rows and of others.

    Args:
        learner: whose model, loss and forward are taken; it stays as it is.
        new: any rows.
        old: any other rows, such as some that are stored.
    """
    return gradients(learner, new).products(gradients(learner, old))
