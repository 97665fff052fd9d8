"""The multilayer perceptron of the MER experiments."""

from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral

from torch import nn

from everlearn.models.initial import Initial, draw
from everlearn.types import InputError


def mlp(
    widths: Sequence[int], activation: type[nn.Module] = nn.ReLU, *, initial: Initial = "xavier", seed: int = 0
) -> nn.Sequential:
    """A multilayer perceptron, by default with Xavier-uniform weights and zero biases.

    The MNIST network of Riemer et al. 2019 is `mlp([784, 100, 100, 10])`: 89,610 parameters.

    Args:
        widths: inputs, each hidden layer, outputs.
        activation: between the layers.
        initial: weights and biases; "torch" for those that torch's own layers have.
        seed: of these.

    Raises:
        InputError: fewer than two widths, or one below 1; or there are no such initial weights.

    >>> sum(p.numel() for p in mlp([784, 100, 100, 10]).parameters())
    89610
    """
    if len(widths) < 2 or not all(isinstance(width, Integral) and width >= 1 for width in widths):
        raise InputError(f"an MLP needs the widths of its inputs and outputs, each at least 1, not {list(widths)}")
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.utils.skip_init(nn.Linear, inputs, outputs), activation()]
    network = nn.Sequential(*layers[:-1])
    draw(network, initial, seed)
    return network
