"""A copy of a model that stays as it is: for targets."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from torch import Tensor, nn

from everlearn.fast.coverage import of_model
from everlearn.fast.perceptron import Perceptron


class Frozen:
    """What a model gives, as it was when it was copied last; compiled, where the kernel can take it.

    Args:
        model: any; called as `model(x)`, in evaluation mode.

    >>> import everlearn as el, torch
    >>> model = el.mlp([2, 3])
    >>> frozen, before = Frozen(model), model(torch.ones(1, 2))
    >>> _ = model[0].bias.data.fill_(7.0)
    >>> torch.equal(frozen(torch.ones(1, 2)), before)
    True
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = deepcopy(model).requires_grad_(False).eval()
        self._twin: Perceptron | None = None
        self._freeze()

    def __call__(self, x: Tensor) -> Tensor:
        """The outputs, without gradients."""
        found = None if self._twin is None else self._twin.outputs(x)
        return self._model(x) if found is None else found

    def become(self, state: Mapping[str, Any]) -> None:
        """A copy of the model whose `state_dict` this is."""
        self._model.load_state_dict(state)
        self._freeze()

    def state_dict(self) -> dict[str, Any]:
        """A copy of the model's."""
        return deepcopy(self._model.state_dict())

    def _freeze(self) -> None:
        if any(of_model(self._model)):
            self._twin = None
            return
        self._twin = self._twin or Perceptron(self._model)
        self._twin.take()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_twin": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._freeze()
