"""A perceptron with an input layer for each task."""

from collections.abc import Sequence
from math import sqrt

from torch import Tensor, nn

from everlearn.chance import generator
from everlearn.models.by_task import ByTask
from everlearn.types import InputError


class TaskInputNet(nn.Module):
    """A ReLU perceptron whose first layer is the task's own; the layers above are shared.

    Lopez-Paz and Ranzato 2017, section 5 ("multimodal"). Weights are uniform up to
    1 / √inputs either way, as PyTorch's own, and biases zero.

    Args:
        widths: inputs, each hidden layer, outputs: at least one hidden layer.
        tasks: how many input layers.
        seed: of the initial weights.

    Raises:
        InputError: there is no hidden layer, or a width below 1.

    >>> model = TaskInputNet([784, 100, 100, 10], tasks=20)
    >>> model(torch.zeros(2, 784), torch.tensor([0, 19])).shape
    torch.Size([2, 10])
    """

    def __init__(self, widths: Sequence[int], tasks: int, *, seed: int = 0) -> None:
        super().__init__()
        if len(widths) < 3 or min(widths) < 1 or tasks < 1:
            raise InputError(f"a layer for each of {tasks} tasks needs one that is shared above it, not {list(widths)}")
        inputs, first, *above = widths
        self.inputs = ByTask([nn.Linear(inputs, first) for _ in range(tasks)])
        layers: list[nn.Module] = []
        for below, outputs in zip([first, *above], above, strict=False):
            layers += [nn.ReLU(), nn.Linear(below, outputs)]
        self.shared = nn.Sequential(*layers)
        chance = generator(seed, "weights")
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                bound = 1 / sqrt(layer.in_features)
                nn.init.uniform_(layer.weight, -bound, bound, generator=chance)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, task: Tensor) -> Tensor:
        """Outputs (rows, last width).

        Args:
            x: (rows, first width).
            task: (rows,) integers.

        Raises:
            InputError: there is no input layer for a task.
        """
        return self.shared(self.inputs(x, task))
