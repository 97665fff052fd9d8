"""Evaluation mode for a while, then each module's own mode again."""

from collections.abc import Generator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluation_mode(model: nn.Module) -> Generator[None]:
    """Within, dropout is off and BatchNorm uses its running statistics; after, all modules' modes are as before.

    Modules are not told: one whose `train` does more, such as to merge an adapter into its weights, is as it was.
    """
    training = [module for module in model.modules() if module.training]
    _set(training, mode=False)
    try:
        yield
    finally:
        _set(training, mode=True)


def _set(modules: list[nn.Module], *, mode: bool) -> None:
    for module in modules:
        if type(module).__setattr__ is nn.Module.__setattr__:
            # That looks for parameters first, which takes longer than a small model's forward.
            vars(module)["training"] = mode
        else:
            module.training = mode
