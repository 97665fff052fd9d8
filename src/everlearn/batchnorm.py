"""BatchNorm cannot normalise one row: steps on single rows use its running statistics."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def running_statistics(model: nn.Module, *, where: bool = True) -> Generator[None]:
    """Within, BatchNorm layers normalise by their running statistics and leave them alone; not, unless `where`."""
    layers = _training(model) if where else []
    for layer in layers:
        layer.eval()
    try:
        yield
    finally:
        for layer in layers:
            layer.train()


def update_statistics(model: nn.Module, forward: Callable[[], object]) -> None:
    """Update the running statistics by one forward pass, where the model has BatchNorm layers in training."""
    if _training(model):
        with torch.no_grad():
            forward()


def _training(model: nn.Module) -> list[nn.Module]:
    return [layer for layer in model.modules() if isinstance(layer, _BatchNorm) and layer.training]
