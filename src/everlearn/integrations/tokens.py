"""Batches of tokens, as a memory keeps them: narrow, and without what is padding."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from everlearn.types import InputError

PADDING = {"input_ids": 0, "attention_mask": 0, "labels": -100, "token_type_ids": 0, "position_ids": 0}
"""What the usual collators pad with, but that a tokenizer has a token of its own for it."""
MASKS = ("attention_mask", "token_type_ids")


def padding_of(batch: Mapping[str, Tensor], token: int | None) -> dict[str, float]:
    """What the columns are padded with whose rows may differ in length.

    Args:
        batch: of tokens.
        token: the tokenizer's own, if it has one.
    """
    usual = PADDING | ({} if token is None else {"input_ids": token})
    return {name: value for name, value in usual.items() if name in batch and batch[name].ndim > 1}


def narrow(batch: Mapping[str, Tensor], vocabulary: int | None) -> dict[str, torch.dtype]:
    """By column, the narrowest integers that hold its numbers.

    Args:
        batch: of tokens.
        vocabulary: how many tokens there are, if that is known.
    """
    known = 2**31 if vocabulary is None else vocabulary
    kinds = dict.fromkeys(MASKS, torch.uint8)
    kinds["input_ids"] = torch.uint16 if known <= 2**16 else torch.int32
    kinds["labels"] = torch.int16 if known <= 2**15 else torch.int32
    return {name: kind for name, kind in kinds.items() if name in batch and batch[name].dtype == torch.int64}


def check_rows(batch: Mapping[str, Any]) -> None:
    """Refuse batches in which texts follow one another on end.

    Raises:
        InputError: naming what to set otherwise.
    """
    odd = [name for name, values in batch.items() if not isinstance(values, Tensor) or values.ndim == 0]
    begins = batch.get("position_ids")
    if odd or ("attention_mask" not in batch and begins is not None and bool((begins == 0).sum(-1).max() > 1)):
        raise InputError(
            f"batches have no rows to remember{f' ({odd[0]})' if odd else ''}: their texts are put end to end. Use no "
            "padding_free, no DataCollatorWithFlattening, and packing_strategy='wrapped' where texts are packed"
        )
