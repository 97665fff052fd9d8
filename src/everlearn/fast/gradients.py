"""The gradients of several batches from one pass, for multilayer perceptrons."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import isfinite

import torch
from torch import Tensor, nn

from everlearn.batches import count, join
from everlearn.fast.coverage import flattens, layers_of, parameters_of
from everlearn.types import Batch, InputError, Loss


def gradients(model: nn.Module, loss: Loss, batches: Sequence[Batch]) -> Tensor | None:
    """The gradient of each batch's mean loss, of a model and loss that `coverage.objections` has nothing against.

    All rows go forward at once, and back as far as the layers' outputs. The gradient of a layer's
    weights is then, for each batch, a product of two matrices: its rows' errors there and its rows'
    inputs. Against a pass for each batch that saves what a pass costs beside arithmetic, and small
    batches are mostly that.

    Args:
        model: of Linear layers and activations.
        loss: whose value of a row depends on that row alone.
        batches: any rows, at least one each.

    Returns:
        (batches, parameters) each gradient as one vector, in the order of the model's parameters. None
        where the rows are not alike, not vectors, or have a loss that is not finite: the readable path
        takes them or says what is wrong.

    >>> import everlearn as el
    >>> model, rows = el.mlp([2, 3]), {"x": torch.eye(2), "y": torch.tensor([0, 1])}
    >>> gradients(model, el.cross_entropy, [rows, rows]).shape
    torch.Size([2, 9])
    """
    try:
        joined = join(*batches)
    except InputError:
        return None
    if "x" not in joined or joined["x"].ndim < 2 or (joined["x"].ndim > 2 and not flattens(model)):
        return None
    values, inputs, outputs = joined["x"].flatten(1), [], []
    for i, layer in enumerate(layers_of(model)):
        if i % 2 == 0:
            inputs.append(values.detach())
            values = layer(values)
            outputs.append(values)
        else:
            # Not the layer itself, which may overwrite the output below it.
            values = values.tanh() if isinstance(layer, nn.Tanh) else values.relu()
    losses = loss(values, joined)
    if not isfinite(losses.detach().sum()):
        return None
    errors = torch.autograd.grad(losses.sum(), outputs)
    sizes = [parameter.numel() for parameter in parameters_of(layers_of(model))]
    found = errors[0].new_empty(len(batches), sum(sizes))
    for own, (first, last) in zip(found, pairwise(accumulate(map(count, batches), initial=0)), strict=True):
        parts = iter(own.split(sizes))
        for error, below in zip(errors, inputs, strict=True):
            mean = error[first:last] / (last - first)
            torch.mm(mean.T, below[first:last], out=next(parts).view(error.shape[1], below.shape[1]))
            torch.sum(mean, 0, out=next(parts))
    return found
