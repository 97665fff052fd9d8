"""Initial weights, drawn from a generator of their own."""

from math import sqrt
from typing import Literal, get_args

from torch import nn

from everlearn.chance import generator
from everlearn.ranges import one_of

Initial = Literal["xavier", "torch"]
"""Xavier-uniform weights and zero biases, as in the networks of the MER experiments; or both uniform up to 1 / √inputs
either way, as torch's own layers have them: with biases of their own, units differ for inputs near zero too."""


def draw(model: nn.Module, initial: Initial, seed: int) -> None:
    """Draw the weights and biases of all linear and convolutional layers anew.

    Raises:
        InputError: there are no such initial weights.
    """
    one_of(get_args(Initial), initial=initial)
    chance = generator(seed, "weights")
    for layer in model.modules():
        if not isinstance(layer, nn.Conv2d | nn.Linear) or layer.bias is None:
            continue
        if initial == "xavier":
            nn.init.xavier_uniform_(layer.weight, generator=chance)
            nn.init.zeros_(layer.bias)
        else:
            bound = 1 / sqrt(layer.weight[0].numel())
            nn.init.uniform_(layer.weight, -bound, bound, generator=chance)
            nn.init.uniform_(layer.bias, -bound, bound, generator=chance)
