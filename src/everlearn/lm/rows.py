"""Texts as rows of tokens, some of which are kept back to test on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from everlearn.lm.texts import text
from everlearn.types import InputError

Tokens = Literal["bytes", "pairs"]
"""What a token is: a byte, or one of `PAIRS` byte pairs (Sennrich et al. 2016), counted on the texts' beginnings."""

PAIRS = 1024
COUNTED = 1_000_000
"""Bytes of each text that pairs are counted on."""
READ = 4_000_000
"""Bytes of each text that are read, from its beginning."""
PIECE, EVERY = 64, 16
"""Rows side by side that are kept back together; and of how many such pieces one is tested on, and one validated on."""


@dataclass(frozen=True)
class Cut:
    """A text's rows."""

    training: Tensor
    """(rows, tokens) uint16."""
    testing: Tensor
    """Likewise, none of which is read."""
    validation: Tensor
    """Likewise, for choices that are made before the test."""
    bytes_of: Tensor
    """(tokens,) how many bytes each token stands for."""


@cache
def cut(name: str, texts: tuple[str, ...], tokens: Tokens, length: int) -> Cut:
    """A text cut into rows, once a process.

    Args:
        name: of the text.
        texts: all that are read, whose pairs are counted.
        tokens: what a token is.
        length: of a row, in tokens.

    Raises:
        InputError: the text is too short for two pieces.
    """
    encode, bytes_of = _bytes() if tokens == "bytes" else _pairs(texts)
    found = encode(text(name)[:READ])
    rows = found[: len(found) // length * length].reshape(-1, length)
    piece = torch.arange(len(rows)) // PIECE % EVERY
    is_tested, is_validated = piece == EVERY // 2, piece == EVERY // 4
    if not is_tested.any():
        raise InputError(f"the text {name!r} is too short: {len(rows)} rows")
    return Cut(rows[~is_tested & ~is_validated], rows[is_tested], rows[is_validated], bytes_of)


def vocabulary(tokens: Tokens) -> int:
    """How many tokens there are."""
    return 256 if tokens == "bytes" else PAIRS


Encode = Callable[[bytes], Tensor]


def _bytes() -> tuple[Encode, Tensor]:
    def encode(content: bytes) -> Tensor:
        return torch.frombuffer(bytearray(content), dtype=torch.uint8).to(torch.uint16)

    return encode, torch.ones(256, dtype=torch.int64)


@cache
def _pairs(texts: tuple[str, ...]) -> tuple[Encode, Tensor]:
    from tokenizers import ByteLevelBPETokenizer  # noqa: PLC0415

    counted = [text(name)[:COUNTED].decode(errors="replace") for name in texts]
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(counted, vocab_size=PAIRS, show_progress=False)

    def encode(content: bytes) -> Tensor:
        return torch.tensor(tokenizer.encode(content.decode(errors="replace")).ids, dtype=torch.int64).to(torch.uint16)

    # In its alphabet each byte is one character.
    words = tokenizer.get_vocab()
    bytes_of = torch.zeros(PAIRS, dtype=torch.int64)
    for word, number in words.items():
        bytes_of[number] = len(word)
    return encode, bytes_of
