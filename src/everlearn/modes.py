"""Evaluation mode for a while, then each module's own mode again."""

from collections.abc import Generator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluation_mode(model: nn.Module) -> Generator[None]:
    """Within, dropout is off and BatchNorm uses its running statistics; after, all modules' modes are as before."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
