"""Batches of tokens, as a memory keeps them: narrow, and without what is padding."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from everlearn.types import InputError

TOKENS = ("input_ids", "decoder_input_ids")
MASKS = ("attention_mask", "decoder_attention_mask", "token_type_ids")
PADDING = dict.fromkeys((*TOKENS, *MASKS, "position_ids"), 0) | {"labels": -100}
"""What the usual collators pad with, but that a tokenizer has a token of its own for it."""
FLAT = ("cu_seq_lens", "max_length", "seq_idx")
"""How columns begin that tell where texts begin which follow one another on end."""


def padding_of(batch: Mapping[str, Tensor], token: int | None) -> dict[str, float]:
    """What the columns are padded with whose rows may differ in length.

    Args:
        batch: of tokens.
        token: the tokenizer's own, if it has one.
    """
    usual = PADDING | ({} if token is None else dict.fromkeys(TOKENS, token))
    return {name: value for name, value in usual.items() if name in batch and batch[name].ndim > 1}


def narrow(batch: Mapping[str, Tensor], vocabulary: int | None) -> dict[str, torch.dtype]:
    """By column, the narrowest integers that hold its numbers.

    Args:
        batch: of tokens.
        vocabulary: how many tokens there are, if that is known.
    """
    known = 2**31 if vocabulary is None else vocabulary
    kinds = dict.fromkeys(MASKS, torch.uint8)
    kinds |= dict.fromkeys(TOKENS, torch.uint16 if known <= 2**16 else torch.int32)
    labels, tokens = batch.get("labels"), batch.get("input_ids")
    if labels is not None and tokens is not None and labels.ndim == tokens.ndim:
        kinds["labels"] = torch.int16 if known <= 2**15 else torch.int32
    return {name: kind for name, kind in kinds.items() if name in batch and batch[name].dtype == torch.int64}


def narrowed(name: str, values: Tensor, kind: torch.dtype | None) -> Tensor:
    """A column as it is kept; as it is, where that is None.

    Raises:
        InputError: its numbers do not fit.
    """
    if kind is None:
        return values
    small = values.to(kind)
    if not torch.equal(small.to(values.dtype), values):
        raise InputError(
            f"column {name!r} holds {int(values[small.to(values.dtype) != values][0])}, but is kept as {kind}: a mask "
            "has numbers up to 255, tokens and labels are below the model's vocabulary. Give it another name in the "
            "collator"
        )
    return small


def check_rows(batch: Mapping[str, Any]) -> None:
    """Refuse batches in which texts follow one another on end.

    Raises:
        InputError: naming what to set otherwise.
    """
    odd = [name for name, values in batch.items() if not isinstance(values, Tensor) or values.ndim == 0]
    if odd and not odd[0].startswith(FLAT):
        raise InputError(
            f"column {odd[0]!r} of a batch is no tensor with a row for each text, and can't be remembered: leave it "
            "out in the collator"
        )
    begins = batch.get("position_ids")
    if odd or ("attention_mask" not in batch and begins is not None and bool((begins == 0).sum(-1).max() > 1)):
        raise InputError(
            f"batches have no rows to remember{f' ({odd[0]})' if odd else ''}: their texts are put end to end. Use no "
            "padding_free, no DataCollatorWithFlattening, and packing_strategy='wrapped' where texts are packed"
        )
