"""Small models of the Llama family, by transformers."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from everlearn.types import Batch, column


@dataclass(frozen=True)
class Size:
    """Of a model."""

    layers: int
    hidden: int
    """Numbers that stand for a token."""
    heads: int


SIZES = {"small": Size(2, 64, 4), "medium": Size(3, 128, 4), "large": Size(4, 192, 6)}


def llama(size: str, vocabulary: int, length: int, seed: int) -> nn.Module:
    """A new model.

    Args:
        size: one of `SIZES`.
        vocabulary: how many tokens there are.
        length: of the longest row.
        seed: of the weights; torch's global generator is left as it was.

    Raises:
        ImportError: transformers is not installed.
    """
    from transformers import LlamaConfig, LlamaForCausalLM  # noqa: PLC0415

    own = SIZES[size]
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=own.hidden,
        # A gated layer of two thirds of four times the width has as many weights as a plain one of four.
        intermediate_size=8 * own.hidden // 3,
        num_hidden_layers=own.layers,
        num_attention_heads=own.heads,
        num_key_value_heads=own.heads,
        max_position_embeddings=length,
        use_cache=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def call_on_tokens(model: Any, batch: Batch) -> Tensor:
    """The forward: (rows, tokens, vocabulary) what comes after each token."""
    return model(input_ids=column(batch, "input_ids", "the model").long()).logits
