"""Randomness is an argument: each part draws from a generator of its own."""

from numbers import Integral

import numpy as np
import torch

from everlearn.types import InputError


def generator(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for one purpose.

    Equal seeds with different purposes give unrelated draws, so that one seed can
    serve a whole experiment and a new method cannot change the order of the data.

    Args:
        seed: any non-negative integer.
        purpose: who draws, such as ``"reservoir"``.

    Raises:
        InputError: the seed is no whole number, or negative.

    >>> first = torch.rand(2, generator=generator(0, "reservoir"))
    >>> bool((first == torch.rand(2, generator=generator(0, "reservoir"))).all())
    True
    >>> bool((first == torch.rand(2, generator=generator(0, "weights"))).any())
    False
    """
    if not isinstance(seed, Integral):
        raise InputError(f"seed must be a whole number, not {seed!r:.80}")
    if seed < 0:
        raise InputError(f"seed must be at least 0, not {seed}")
    word = np.random.SeedSequence([seed, *purpose.encode()]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(word[0]))
