"""The convolutional network of the MER paper's Omniglot experiments."""

from collections.abc import Sequence
from math import gcd

import torch
from torch import Tensor, nn

from everlearn.models.by_task import ByTask
from everlearn.models.initial import draw
from everlearn.types import InputError


class ConvNet(nn.Module):
    """Blocks of 3 × 3 convolution, normalisation, ReLU and 2 × 2 max-pooling, and a linear head for each task.

    The network of Vinyals et al. 2016, section 4.1.1, which Riemer et al. 2019 follow. Where Vinyals has
    batch normalisation, which has no use for a batch of one, there is group normalisation (Wu and He 2018)
    in up to 8 groups; without any, plain SGD at .1, the higher of the paper's two rates, soon leaves no unit
    of the network active. Convolutions are padded by 1, without which the fourth block would have nothing left to
    see. Weights are Xavier-uniform and biases zero, as in the paper's MLP, and lie in memory with
    the channels last.

    Called as `model(x, task)`: a learner needs `forward=lambda model, batch: model(batch["x"], batch["task"])`.

    Args:
        classes: of each task, in order.
        filters: of each block.
        size: of a side of the square images, in pixels.
        channels: of the images.
        normalised: whether there is normalisation.
        seed: of the initial weights.

    Raises:
        InputError: so many blocks leave no pixel of an image.

    >>> model = ConvNet([20, 14])
    >>> model(torch.zeros(3, 1, 28, 28), torch.tensor([0, 1, 1])).shape
    torch.Size([3, 20])
    """

    def __init__(
        self,
        classes: Sequence[int],
        filters: Sequence[int] = (64, 64, 64, 64),
        *,
        size: int = 28,
        channels: int = 1,
        normalised: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        side = size // 2 ** len(filters)
        if not classes or min(classes) < 1:
            raise InputError(f"the network needs the number of classes of each task, at least 1, not {list(classes)}")
        if side < 1 or not filters or min(filters) < 1:
            raise InputError(f"images of {size} × {size} pixels can't be halved by {len(filters)} blocks of filters")
        blocks: list[nn.Module] = []
        for inputs, outputs in zip([channels, *filters], filters, strict=False):
            norm = nn.GroupNorm(gcd(8, outputs), outputs) if normalised else nn.Identity()
            blocks += [nn.Conv2d(inputs, outputs, 3, padding=1), norm, nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*blocks, nn.Flatten())
        self.heads = ByTask([nn.Linear(filters[-1] * side**2, n) for n in classes], max(classes))
        draw(self, "xavier", seed)
        # Single images then take two thirds of the time.
        self.to(memory_format=torch.channels_last)  # ty: ignore[no-matching-overload]

    def forward(self, x: Tensor, task: Tensor) -> Tensor:
        """Logits (rows, most classes of a task), −infinity where a task has fewer.

        Args:
            x: (rows, channels, size, size).
            task: (rows,) integers.

        Raises:
            InputError: there is no head for a task.
        """
        return self.heads(self.features(x), task)
