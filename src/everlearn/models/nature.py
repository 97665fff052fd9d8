"""The convolutional network of the deep Q-network."""

from torch import nn

from everlearn.models.initial import Initial, draw
from everlearn.ranges import at_least

PIXELS = 84
"""Height and width of the pictures."""


def nature(actions: int, channels: int = 4, *, initial: Initial = "xavier", seed: int = 0) -> nn.Sequential:
    """The network of Mnih et al. 2015 (methods, model architecture), which Riemer et al. 2019 use for games.

    Three convolutions of 8 × 8, 4 × 4 and 3 × 3 pixels with 32, 64 and 64 filters, 4, 2 and 1 pixels apart, then
    512 units, each with a ReLU after it.

    Args:
        actions: outputs.
        channels: of the pictures, which are (rows, channels, 84, 84).
        initial: weights and biases, as for `mlp`.
        seed: of these.

    Raises:
        InputError: a number is below 1, or there are no such initial weights.

    >>> import torch
    >>> nature(3, channels=2)(torch.zeros(1, 2, 84, 84)).shape
    torch.Size([1, 3])
    """
    at_least(1, actions=actions, channels=channels)
    network = nn.Sequential(
        nn.Conv2d(channels, 32, 8, stride=4),
        nn.ReLU(),
        nn.Conv2d(32, 64, 4, stride=2),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 512),
        nn.ReLU(),
        nn.Linear(512, actions),
    )
    draw(network, initial, seed)
    return network
