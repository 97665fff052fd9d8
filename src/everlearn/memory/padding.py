"""Rows that differ in length: where each ends, and batches of them."""

from collections.abc import Mapping
from math import isfinite

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from everlearn.batches import Padded
from everlearn.types import Batch, InputError

Rows = Mapping[str, Tensor | list[Tensor]]
"""Columns of some rows; where these differ in length, a tensor for each."""

Padding = Mapping[str, float]
"""The columns whose rows differ in length along their first dimension, and what they are padded with."""


APIECE = 500
"""Bytes that a row's own tensor takes beside its numbers."""


def checked(padding: Padding | None) -> dict[str, float]:
    """What was given as padding, as plain numbers.

    Raises:
        InputError: it is something else.
    """
    if padding is None:
        return {}
    if not isinstance(padding, Mapping):
        raise InputError(f'padding= names columns and their padding, such as {{"tokens": 0}}; this is {padding!r:.80}')
    plain = {}
    for name, value in padding.items():
        is_scalar = isinstance(value, np.generic) or (isinstance(value, Tensor) and value.ndim == 0)
        number = value.item() if is_scalar else value
        if not _is_plain(number):
            raise InputError(f"column {name!r} can't be padded with {value!r:.80}: give one number, as a float can be")
        plain[str(name)] = number
    return plain


def _is_plain(number: object) -> bool:
    """Whether it is finite, and a float: beyond 2**53 not every integer is one, by which tensors are padded."""
    try:
        return isinstance(number, int | float) and isfinite(number) and float(number) == number
    except OverflowError:
        return False


def lengths(batch: Batch, padding: Padding) -> dict[str, Tensor]:
    """(rows,) how long each row is, of each padded column: up to its last element that is no padding.

    Columns that are equally long in the batch belong together, as tokens and their labels do: a row is as
    long in all of them as in the one where it is longest, and at least one element, where they have one.

    >>> tokens, labels = torch.tensor([[5, 6, 7, 0], [8, 0, 0, 0]]), torch.tensor([[-1, -1, 4, -1], [2, 3, -1, -1]])
    >>> lengths({"tokens": tokens, "labels": labels}, {"tokens": 0, "labels": -1})["labels"]
    tensor([3, 2])
    """
    own = {name: _length(batch[name], value) for name, value in padding.items()}
    together: dict[int, list[Tensor]] = {}
    for name, found in own.items():
        together.setdefault(batch[name].shape[1], []).append(found)
    longest = {width: torch.stack(found).amax(0) for width, found in together.items()}
    return {name: longest[batch[name].shape[1]].clamp(min=min(1, batch[name].shape[1])) for name in own}


def padded(rows: Rows, padding: Padding) -> Padded:
    """The batch of some rows: each column padded to its longest."""
    return Padded(
        {
            name: pad_sequence(values, batch_first=True, padding_value=padding[name])
            if isinstance(values, list)
            else values
            for name, values in rows.items()
        },
        padding,
    )


def flat(rows: Rows) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Columns whose rows differ in length as one tensor each, row after row; and (rows,) their lengths."""
    ragged = {name: values for name, values in rows.items() if isinstance(values, list)}
    return (
        {name: torch.cat(values) if isinstance(values, list) else values for name, values in rows.items()},
        {name: torch.tensor([len(row) for row in values], dtype=torch.int64) for name, values in ragged.items()},
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
