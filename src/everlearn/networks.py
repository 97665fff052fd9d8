"""The networks of the MER paper's experiments: which one learns what."""

from collections.abc import Sequence

from torch import Tensor, nn

from everlearn.learner import call_on_x
from everlearn.methods import Independent, TaskInput
from everlearn.models import ByTask, ConvNet, TaskInputNet, mlp
from everlearn.streams import Omniglot, Permutations, Rotations
from everlearn.types import Batch, Forward, InputError, Method, column, task_column

PIXELS, CLASSES = 784, 10


def call_with_task(model: nn.Module, batch: Batch) -> Tensor:
    """The forward of a network that has parts for each task: `model(batch["x"], batch["task"])`."""
    return model(column(batch, "x", "the network"), task_column(batch, "the network"))


def network(
    stream: Rotations | Permutations | Omniglot,
    method: Method,
    hidden: Sequence[int],
    seed: int,
    normalised: bool = True,
) -> tuple[nn.Module, Forward]:
    """A new network for a stream and a method, and how it is called.

    A perceptron for the images of MNIST, for all tasks or, where the method asks for it, with parts
    for each; a convolutional network with a head for each task for Omniglot.

    Args:
        stream: what is learned.
        method: how.
        hidden: widths of a perceptron's hidden layers, or filters of each convolutional block. Networks
            for each task share these units between them, at least one each.
        seed: of the initial weights.
        normalised: whether the convolutional network has normalisation.

    Raises:
        InputError: the method has networks of its own, and none for this stream.
    """
    if isinstance(stream, Omniglot):
        if isinstance(method, Independent | TaskInput):
            raise InputError(f"{type(method).__name__} has networks for Rotations and Permutations, not for Omniglot")
        return ConvNet(stream.classes, hidden, normalised=normalised, seed=seed), call_with_task
    widths = [PIXELS, *hidden, CLASSES]
    if isinstance(method, Independent):
        own = [PIXELS, *(max(1, width // stream.tasks) for width in hidden), CLASSES]
        return ByTask([mlp(own, seed=seed) for _ in range(stream.tasks)]), call_with_task
    if isinstance(method, TaskInput):
        return TaskInputNet(widths, stream.tasks, seed=seed), call_with_task
    return mlp(widths, seed=seed), call_on_x
