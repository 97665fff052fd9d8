"""Tasks made from one data set of images by moving pixels about, a batch at a time."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from torch import Generator, Tensor

from everlearn.ranges import one_of
from everlearn.streams.datasets import load
from everlearn.types import Batch, InputError

SETS = ("mnist", "fashion-mnist")


def check_data(data: str) -> None:
    """Refuse a data set that is not of 28 × 28 images in a training and a test set.

    Raises:
        InputError: naming those that are.
    """
    one_of(SETS, data=data)


@cache
def images(data: str) -> tuple[Tensor, Tensor]:
    """The training images, (rows, pixels + 1) uint8, and labels; the last pixel is blank."""
    arrays = load(data)
    return _with_blank(arrays["train_images"]), torch.tensor(arrays["train_labels"], dtype=torch.int64)


@cache
def test_images(data: str) -> tuple[Tensor, Tensor]:
    """The test images, one pixel a row, (pixels + 1, images) uint8, and labels.

    To move pixels is then to copy whole rows.
    """
    arrays = load(data)
    return _with_blank(arrays["test_images"]).T.contiguous(), torch.tensor(arrays["test_labels"], dtype=torch.int64)


def _with_blank(values: np.ndarray) -> Tensor:
    flat = torch.tensor(values).flatten(1)
    return torch.cat([flat, flat.new_zeros(len(flat), 1)], dim=1)


def train_batches(
    data: str, pixels: Tensor, task: int, examples: int, batch_size: int, chance: Generator
) -> Iterator[Batch]:
    """A random subset of the training images with their pixels moved, in random order.

    Args:
        data: the data set's name.
        pixels: (pixels,) for each place the number of the pixel shown there; one past the
            last is blank.
        task: for the column `task`.
        examples: the size of the subset.
        batch_size: rows a batch.
        chance: of the subset and its order.

    Yields:
        Batches with `x` (rows, pixels) float32 from 0 to 1, `y` and `task` (rows,) int64.

    Raises:
        InputError: the data set has fewer examples.
    """
    train, labels = images(data)
    if examples > len(train):
        raise InputError(f"examples must be at most {len(train)}, all that {data} has, not {examples}")
    chosen = torch.randperm(len(train), generator=chance)[:examples]
    for rows in chosen.split(batch_size):
        yield _batch(train[rows][:, pixels], labels[rows], task)


def test_batch(data: str, pixels: Tensor, task: int) -> Batch:
    """All test images with their pixels moved; columns as in `train_batches`."""
    test, labels = test_images(data)
    return _batch(test[pixels].T, labels, task)


def _batch(x: Tensor, y: Tensor, task: int) -> Batch:
    return {"x": x.float().div_(255), "y": y, "task": torch.full_like(y, task)}
