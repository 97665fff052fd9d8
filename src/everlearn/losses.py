"""Losses with one value per row, so that rows can be weighted and stepped one by one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from everlearn.types import Batch, InputError, Loss, column

IGNORED = -100
"""The label of a token that does not count, as torch and transformers have it."""


@dataclass(frozen=True)
class Prepared:
    """A loss that asks for columns which are computed first, without gradients.

    So a temporal-difference error is a Huber loss whose targets are computed from the next state: once for
    all rows that a method hands over, however many steps it takes on them.
    """

    loss: Loss
    """Of the prepared rows, one value each."""
    prepare: Callable[[Batch], Batch]
    """From rows as they are stored to rows as the loss and the forward need them."""


def cross_entropy(output: Tensor, batch: Batch) -> Tensor:
    """Softmax cross-entropy of each row.

    Args:
        output: (rows, classes, …) logits.
        batch: with `y`, (rows, …) integer labels from 0 to classes − 1.

    Returns:
        (rows,) in nats; the mean over further dimensions, where there are any.

    Raises:
        InputError: a label is out of range or not an integer, or the shapes don't fit.

    >>> cross_entropy(torch.zeros(1, 4), {"y": torch.tensor([2])})
    tensor([1.3863])
    """
    labels = column(batch, "y", "cross_entropy")
    if not isinstance(output, Tensor) or output.ndim < 2:
        given = f"a tensor of shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
        raise InputError(f"cross_entropy needs logits (rows, classes, …), not {given}: pick them in forward=")
    if labels.shape != output.shape[:1] + output.shape[2:]:
        raise InputError(
            f"cross_entropy needs one label in column 'y' for each of {tuple(output.shape[:1] + output.shape[2:])}, "
            f"not {tuple(labels.shape)}"
        )
    if labels.is_floating_point():
        raise InputError(f"cross_entropy needs integer labels in column 'y', not {labels.dtype}")
    labels, classes = labels.long(), output.shape[1]
    lowest, highest = (bound.item() for bound in labels.aminmax())
    if lowest < 0 or highest >= classes:
        wrong = lowest if lowest < 0 else highest
        raise InputError(
            f"label {wrong} in column 'y' is out of range: the model has {classes} outputs, labels 0 to {classes - 1}. "
            "Make the last layer as wide as all classes that will ever come"
        )
    losses = F.cross_entropy(output, labels, reduction="none")
    if losses.isinf().any() and (missing := output.gather(1, labels[:, None])[:, 0].isneginf()).any():
        raise InputError(
            f"label {labels[missing][0]} in column 'y' is out of range: its logit is −infinity, as for a class "
            "that this row's head does not have. Labels count the classes of a row's own task from 0"
        )
    return _mean_per_row(losses)


def squared(output: Tensor, batch: Batch) -> Tensor:
    """Squared error of each row.

    Args:
        output: (rows, …) predictions.
        batch: with `y` of the same shape.

    Returns:
        (rows,) the mean over all but the first dimension.

    Raises:
        InputError: the shapes differ.

    >>> squared(torch.tensor([[1.0, 3.0]]), {"y": torch.tensor([[0.0, 0.0]])})
    tensor([5.])
    """
    return _mean_per_row(F.mse_loss(output, _like(output, batch, "squared"), reduction="none"))


def huber(output: Tensor, batch: Batch) -> Tensor:
    """Huber loss of each row, with its bend at 1 (Huber 1964).

    Args:
        output: (rows, …) predictions.
        batch: with `y` of the same shape.

    Returns:
        (rows,) the mean over all but the first dimension.

    Raises:
        InputError: the shapes differ.

    >>> huber(torch.tensor([[0.5], [3.0]]), {"y": torch.zeros(2, 1)})
    tensor([0.1250, 2.5000])
    """
    return _mean_per_row(F.huber_loss(output, _like(output, batch, "huber"), reduction="none"))


def chosen_huber(output: Tensor, batch: Batch) -> Tensor:
    """Huber loss of one output of each row, such as the value of the action that was taken (Mnih et al. 2015).

    Args:
        output: (rows, outputs).
        batch: with `action` (rows,), which output counts, and `target` (rows,), what it should be.

    Returns:
        (rows,).

    Raises:
        InputError: an action is out of range or not an integer, or the shapes don't fit.

    >>> chosen_huber(torch.tensor([[9.0, 0.5]]), {"action": torch.tensor([1]), "target": torch.zeros(1)})
    tensor([0.1250])
    """
    action, target = (column(batch, name, "chosen_huber") for name in ("action", "target"))
    if not isinstance(output, Tensor):
        raise InputError(f"chosen_huber needs outputs (rows, outputs), not {type(output).__name__}")
    if output.ndim != 2 or action.shape != output.shape[:1] or target.shape != output.shape[:1]:
        raise InputError(
            "chosen_huber needs outputs (rows, outputs) and one action and one target a row, not "
            f"{tuple(output.shape)}, {tuple(action.shape)} and {tuple(target.shape)}"
        )
    if action.is_floating_point() or action.min() < 0 or action.max() >= output.shape[1]:
        raise InputError(f"column 'action' must hold integers from 0 to {output.shape[1] - 1}")
    value = output.gather(1, action.long()[:, None])[:, 0]
    return F.huber_loss(value, target.to(value.dtype), reduction="none")


def next_token(output: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of each token but the first, by what the model says at the one before.

    Args:
        output: (rows, tokens, vocabulary) logits, as causal language models give them.
        batch: with `labels` (rows, tokens), in which −100 does not count; without them `input_ids` are the labels, of
            which those do not count that an `attention_mask` of their shape has 0 for.

    Returns:
        (rows,) in nats, each row's share: their mean is the mean over all tokens that count, however many a row has.

    Raises:
        InputError: the shapes don't fit, a label is out of range, or none counts.

    >>> next_token(torch.zeros(2, 3, 4), {"input_ids": torch.tensor([[0, 1, 2], [3, 0, 1]])})
    tensor([1.3863, 1.3863])
    """
    labels = batch["labels"] if "labels" in batch else _attended(batch)
    if not isinstance(output, Tensor) or output.ndim != 3 or labels.shape != output.shape[:2]:
        given = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise InputError(
            f"next_token needs logits (rows, tokens, vocabulary), not {given}, and a label for each token, not "
            f"{tuple(labels.shape)}: pick the logits in forward="
        )
    wanted = labels[:, 1:].long()
    counts = wanted != IGNORED
    if not counts.any():
        raise InputError("no token of this batch counts: all its labels are −100, or all of it is padding")
    lowest, highest = (bound.item() for bound in wanted[counts].aminmax())
    if lowest < 0 or highest >= output.shape[2]:
        wrong = lowest if lowest < 0 else highest
        raise InputError(f"token {wrong} is out of range: the model knows {output.shape[2]} tokens")
    losses = F.cross_entropy(output[:, :-1].transpose(1, 2), wanted, ignore_index=IGNORED, reduction="none")
    return losses.sum(1) * len(labels) / counts.sum()


def _attended(batch: Batch) -> Tensor:
    """The tokens as labels, but for what is padding."""
    tokens, mask = column(batch, "input_ids", "next_token"), batch.get("attention_mask")
    if mask is None or mask.shape != tokens.shape:
        return tokens
    return tokens.long().masked_fill(mask == 0, IGNORED)


def as_loss(loss: Loss | nn.Module) -> Loss:
    """A torch loss module as a loss over batches (it is given column `y`); a function as it is.

    Raises:
        InputError: the module averages over rows, or the function is torch's own.
    """
    if getattr(loss, "__module__", None) == "torch.nn.functional":
        raise InputError(
            f"a loss is given an output and a batch, and {getattr(loss, '__name__', loss)} an output and targets: "
            "use torch's module, such as torch.nn.MSELoss(reduction='none')"
        )
    if not callable(loss):
        raise InputError(f"loss must be a function of the output and the batch, or a torch module, not {loss!r:.80}")
    if not isinstance(loss, nn.Module):
        return loss
    if getattr(loss, "reduction", "none") != "none":
        name = type(loss).__name__
        raise InputError(f"the loss must keep one value per row: use {name}(reduction='none')")
    return partial(_by_module, loss)


def _by_module(loss: nn.Module, output: Tensor, batch: Batch) -> Tensor:
    return _mean_per_row(loss(output, column(batch, "y", type(loss).__name__)))


def _like(output: Tensor, batch: Batch, name: str) -> Tensor:
    target = column(batch, "y", name)
    if target.shape != output.shape:
        raise InputError(
            f"{name} compares equal shapes: the output is {tuple(output.shape)} and column 'y' {tuple(target.shape)}"
        )
    return target


def _mean_per_row(losses: Tensor) -> Tensor:
    return losses if losses.ndim == 1 else losses.reshape(len(losses), -1).mean(1)
