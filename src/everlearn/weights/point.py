"""Copy a point of weight space, and move from it: the one line of Reptile."""

from math import isfinite

import torch
from torch import Tensor, nn

from everlearn.types import Point


def snapshot(model: nn.Module) -> Point:
    """A copy of the trainable parameters; tied parameters are copied once."""
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def flat(point: Point) -> Tensor:
    """A point as one vector, in its own order."""
    return torch.cat([part.flatten() for part in point.values()])


def pseudo_gradient(before: Tensor, now: Tensor) -> Tensor:
    """before − now: a step of SGD along it, from `before`, is Reptile's (Nichol et al. 2018, section 2)."""
    return before - now


@torch.no_grad()
def move_from(model: nn.Module, before: Point, rate: float) -> None:
    """θ ← before + rate · (θ − before): the Reptile step (Nichol et al. 2018, Algorithm 1).

    Buffers, such as BatchNorm's running statistics, and the optimizer's state stay as
    they are.

    Args:
        model: whose parameters θ, those that the snapshot holds, are moved in place.
        before: a `snapshot` of the same model.
        rate: 0 goes back to `before`, 1 stays.

    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> before = {"weight": torch.tensor([[1.0]])}
    >>> _ = model.weight.data.fill_(3.0)
    >>> move_from(model, before, 0.25)
    >>> model.weight.item()
    1.5
    """
    if rate == 1:
        return
    for name, parameter in model.named_parameters():
        if name in before:
            start = before[name].to(parameter.device)
            # Back from infinity too, of which no part is 0.
            parameter.copy_(start - rate * pseudo_gradient(start, parameter) if rate else start)


@torch.no_grad()
def not_finite(model: nn.Module) -> str | None:
    """The first parameter that holds NaN or infinity; None where all are finite."""
    for name, parameter in model.named_parameters():
        # A sum is finite only if all its terms are, and cheaper to ask.
        if not isfinite(parameter.sum()) and not parameter.isfinite().all():
            return name
    return None
