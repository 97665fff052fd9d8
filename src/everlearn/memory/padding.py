"""Rows that differ in length: where each ends, and batches of them."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from everlearn.batches import Padded
from everlearn.types import Batch

Rows = Mapping[str, Tensor | list[Tensor]]
"""Columns of some rows; where these differ in length, a tensor for each."""

Padding = Mapping[str, float]
"""The columns whose rows differ in length along their first dimension, and what they are padded with."""


def lengths(batch: Batch, padding: Padding) -> dict[str, Tensor]:
    """(rows,) how long each row is, of each padded column: up to its last element that is no padding.

    Columns that are equally long in the batch belong together, as tokens and their labels do: a row is as
    long in all of them as in the one where it is longest.

    >>> tokens, labels = torch.tensor([[5, 6, 7, 0], [8, 0, 0, 0]]), torch.tensor([[-1, -1, 4, -1], [2, 3, -1, -1]])
    >>> lengths({"tokens": tokens, "labels": labels}, {"tokens": 0, "labels": -1})["labels"]
    tensor([3, 2])
    """
    own = {name: _length(batch[name], value) for name, value in padding.items()}
    together: dict[int, list[Tensor]] = {}
    for name, found in own.items():
        together.setdefault(batch[name].shape[1], []).append(found)
    longest = {width: torch.stack(found).amax(0) for width, found in together.items()}
    return {name: longest[batch[name].shape[1]] for name in own}


def padded(rows: Rows, padding: Padding) -> Padded:
    """The batch of some rows: each column padded to its longest, which is at least one element long."""
    return Padded(
        {name: _beside(values, padding[name]) if isinstance(values, list) else values for name, values in rows.items()},
        padding,
    )


def _beside(rows: list[Tensor], value: float) -> Tensor:
    if all(len(row) == 0 for row in rows):
        return rows[0].new_full((len(rows), 1, *rows[0].shape[1:]), value)
    return pad_sequence(rows, batch_first=True, padding_value=value)


def flat(rows: Rows) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Columns whose rows differ in length as one tensor each, row after row; and (rows,) their lengths."""
    ragged = {name: values for name, values in rows.items() if isinstance(values, list)}
    return (
        {name: torch.cat(values) if isinstance(values, list) else values for name, values in rows.items()},
        {name: torch.tensor([len(row) for row in values]) for name, values in ragged.items()},
    )


def split(columns: Batch, found: Mapping[str, Tensor]) -> Rows:
    """A copy of the rows of which `flat` made these."""
    return {
        name: [row.clone() for row in values.split(found[name].tolist())] if name in found else values
        for name, values in columns.items()
    }


def _length(values: Tensor, value: float) -> Tensor:
    rows, width = values.shape[:2]
    if width == 0:
        return torch.zeros(rows, dtype=torch.int64)
    is_own = (values.detach().cpu() != value).reshape(rows, width, -1).any(2)
    return (is_own * torch.arange(1, width + 1)).amax(1)
