"""A module for each task: several heads, several inputs, several networks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from everlearn.types import InputError


class ByTask(nn.Module):
    """Calls on each row the module of its task.

    Args:
        parts: the module of task 0, of task 1, …
        width: outputs narrower than this are padded with −infinity, which softmax makes zero. So
            heads of several widths make one output; each counts its task's classes from 0.

    >>> heads = ByTask([nn.Linear(4, 2), nn.Linear(4, 3)], width=3)
    >>> heads(torch.zeros(2, 4), torch.tensor([1, 0])).isinf()
    tensor([[False, False, False],
            [False, False,  True]])
    """

    def __init__(self, parts: Sequence[nn.Module], width: int = 0) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.width = width

    def forward(self, x: Tensor, task: Tensor) -> Tensor:
        """The outputs, in the order of the rows.

        Args:
            x: (rows, …).
            task: (rows,) integers, each the number of a part.

        Raises:
            InputError: there is no such part, or not one integer a row.
        """
        if task.shape != x.shape[:1] or task.is_floating_point():
            raise InputError(f"tasks must be one integer a row, not {task.dtype} {tuple(task.shape)} for {len(x)} rows")
        present = task.unique().tolist()
        for number in present:
            if not 0 <= number < len(self.parts):
                raise InputError(f"task {number} is out of range: the model has parts for 0 to {len(self.parts) - 1}")
        if len(present) == 1:
            return self._one(present[0], x)
        outputs = [self._one(number, x[task == number]) for number in present]
        return torch.cat(outputs)[task.argsort(stable=True).argsort()]

    def _one(self, number: int, x: Tensor) -> Tensor:
        output = self.parts[number](x)
        missing = self.width - output.shape[-1]
        return pad(output, (0, missing), value=float("-inf")) if missing > 0 else output
