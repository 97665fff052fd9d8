"""The compiled steps: plain SGD on one row after another, or on many at once, for a multilayer perceptron.

All parameters are in one array: layer after layer its weights, (inputs, outputs) row by row, and
then its bias. Widths are rounded up to a multiple of eight: the rest of a row that does not fill
the processor's registers costs more than the zeros that are added, and stay zero. A zero input,
and a ReLU unit that is off, adds nothing to the layer above and gets no gradient from it, so its
row of weights is neither read nor written. On digits that is four rows of five in the first layer.

Importing this module imports numba; `perceptron` does so at the first use.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from numba import njit

CROSS_ENTROPY, SQUARED, HUBER, CHOSEN_HUBER = 0, 1, 2, 3


# Sums may be taken in any order, but in the same one each time: a loop that both sums and stores is
# compiled for arrays that are near to each other too, and then the allocator would choose the order.
# So no loop does both where sums are free. NaN and infinity must stay what they are.
_HOW: Any = {"fastmath": {"reassoc", "contract", "nsz", "arcp"}, "error_model": "numpy"}
_part = njit(**_HOW)
_exact = njit(fastmath=False, error_model="numpy")


@cache
def compiled(dtype: torch.dtype) -> Callable[..., int]:
    """`descend` compiled for one dtype, and kept on disk where that works.

    Args:
        dtype: torch.float32 or torch.float64.
    """
    none, widths = _nothing(dtype)
    empty = none[:, 0]
    return _tried(descend, empty, empty, widths, 1, False, CROSS_ENTROPY, none, widths[:0], none, 0.0, empty, empty)


@cache
def compiled_outputs(dtype: torch.dtype) -> Callable[..., None]:
    """`outputs_of`, likewise."""
    none, widths = _nothing(dtype)
    return _tried(outputs_of, none[:, 0], widths, False, none, none)


def _nothing(dtype: torch.dtype) -> tuple[np.ndarray, np.ndarray]:
    """No rows of one number, and a network's widths."""
    return torch.empty((0, 1), dtype=dtype, device="cpu").numpy(), np.array([1, 1])


def _tried(function: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
    """A function compiled, after a call, which compiles it or reads it from disk."""
    try:
        kernel = njit(function, cache=True, **_HOW)
        kernel(*arguments)
    except Exception:  # No folder to write in, a full disk, a damaged file: numba has another error for each.
        kernel = njit(function, **_HOW)
        kernel(*arguments)
    return kernel


def descend(theta, stepped, widths, outputs, tanh, loss, x, labels, targets, lr, weight, losses):
    """One step of SGD on each row, in order; or one on all of them.

    Args:
        theta: all parameters, at which gradients are taken.
        stepped: takes the steps. `theta` itself: each row's gradient is taken after the step on the row before.
            A copy of it: all are taken at one place, and this becomes θ − lr · Σ weight · gradient.
        widths: inputs, each hidden layer, outputs, rounded up.
        outputs: how many of the last there are.
        tanh: whether the hidden units are tanh; ReLU otherwise.
        loss: one of the constants above.
        x: (rows, inputs).
        labels: (rows,) int64 for cross-entropy, and which output is the chosen one; empty otherwise.
        targets: (rows, outputs) for the squared and the Huber loss, (rows, 1) for the chosen one's; empty otherwise.
        lr: the learning rate.
        weight: (rows,) factors of the learning rate; empty where all are 1.
        losses: (rows,) takes each row's loss before its step.

    Returns:
        How many rows were stepped on: it ends before a row whose weighted loss is not finite or
        whose label is out of range.
    """
    layers = len(widths) - 1
    units = np.empty(widths.sum(), theta.dtype)
    active = np.empty(len(units), np.uintp)  # Unsigned: an index that could be negative costs a test.
    counts = np.empty(layers, np.int64)
    errors = np.empty(widths.max(), theta.dtype)
    errors_below = np.empty(widths.max(), theta.dtype)
    for row in range(len(x)):
        factor = weight[row] if len(weight) else theta.dtype.type(1)
        rate = theta.dtype.type(lr * factor)
        unit, start = _forward(theta, widths, tanh, x[row], units, active, counts)
        output = units[unit : unit + outputs]
        errors[outputs : widths[-1]] = 0
        if len(labels) and (labels[row] < 0 or labels[row] >= outputs):
            return row
        if loss == CROSS_ENTROPY:
            losses[row] = _cross_entropy(output, labels[row], errors)
        elif loss == CHOSEN_HUBER:
            errors[:outputs] = 0
            chosen = labels[row]
            losses[row] = _distance(output[chosen : chosen + 1], targets[row], True, errors[chosen:])
        else:
            losses[row] = _distance(output, targets[row], loss == HUBER, errors)
        if not np.isfinite(factor * losses[row]):
            return row

        for layer in range(layers - 1, -1, -1):
            n, m = widths[layer], widths[layer + 1]
            unit, start = unit - n, start - (n + 1) * m
            below = units[unit : unit + n] if layer > 0 else x[row]
            index = active[unit : unit + counts[layer]]
            weights = theta[start : start + n * m].reshape(n, m)
            moved = stepped[start : start + n * m].reshape(n, m)
            _add(stepped[start + n * m : start + (n + 1) * m], -rate, errors[:m])
            if layer == 0:
                _step(moved, below, index, rate, errors[:m])
            else:
                _step_and_pass_down(weights, moved, below, index, rate, errors[:m], errors_below[:n], tanh)
                errors, errors_below = errors_below, errors
    return len(x)


def outputs_of(theta, widths, tanh, x, found):
    """What the network gives for each row.

    Args:
        theta, widths, tanh, x: as for `descend`.
        found: (rows, outputs) takes it.
    """
    units = np.empty(widths.sum(), theta.dtype)
    active = np.empty(len(units), np.uintp)
    counts = np.empty(len(widths) - 1, np.int64)
    for row in range(len(x)):
        unit, _ = _forward(theta, widths, tanh, x[row], units, active, counts)
        found[row] = units[unit : unit + found.shape[1]]


@_part
def _forward(theta, widths, tanh, x, units, active, counts):
    """One row through all layers.

    Args:
        theta, widths, tanh: as for `descend`.
        x: (inputs,).
        units: takes every layer's values, layer after layer, but for x.
        active: takes the places of the values below each layer that are not zero.
        counts: (layers,) takes how many these are.

    Returns:
        Where the last layer begins in `units`, and where all parameters end.
    """
    layers = len(widths) - 1
    below = x
    unit = start = 0
    for layer in range(layers):
        n, m = widths[layer], widths[layer + 1]
        above, index = units[unit + n : unit + n + m], active[unit : unit + n]
        counts[layer] = _list(below, index, tanh and layer > 0)
        above[:] = theta[start + n * m : start + (n + 1) * m]
        _add_weighted(theta[start : start + n * m].reshape(n, m), below, index[: counts[layer]], above)
        if layer < layers - 1:
            _activate(above, tanh)
        below = above
        unit, start = unit + n, start + (n + 1) * m
    return unit, start


@_part
def _list(values, index, everything):
    """Fill `index` with the places of the values that are not zero; how many they are."""
    n = 0
    for i in range(len(values)):
        index[n] = i
        n += everything or values[i] != 0
    return n


@_part
def _add_weighted(weights, values, index, total):
    """total += Σ values[i] · weights[i] over the index; four rows at a time, so that sums stay in registers."""
    fours = len(index) - len(index) % 4
    for k in range(0, fours, 4):
        a, b, c, d = index[k], index[k + 1], index[k + 2], index[k + 3]
        u, v, w, z = values[a], values[b], values[c], values[d]
        p, q, r, s = weights[a], weights[b], weights[c], weights[d]
        for j in range(len(total)):
            total[j] += u * p[j] + v * q[j] + w * r[j] + z * s[j]
    for i in index[fours:]:
        _add(total, values[i], weights[i])


@_part
def _add(total, factor, values):
    for j in range(len(total)):
        total[j] += factor * values[j]


@_part
def _activate(values, tanh):
    for j in range(len(values)):
        if tanh:
            values[j] = np.tanh(values[j])
        elif values[j] < 0:  # NaN stays.
            values[j] = 0


@_exact
def _cross_entropy(logits, label, errors):
    """Softmax cross-entropy; `errors` takes its gradient by the logits."""
    highest, total = logits.max(), logits.dtype.type(0)
    for j in range(len(logits)):
        errors[j] = np.exp(logits[j] - highest)
        total += errors[j]
    errors[: len(logits)] /= total
    errors[label] -= 1
    return np.log(total) - (logits[label] - highest)


@_exact
def _distance(output, target, huber, errors):
    """Squared or Huber error, the mean over the outputs; `errors` takes its gradient by them."""
    total, share = output.dtype.type(0), output.dtype.type(1) / len(output)
    for j in range(len(output)):
        gap = output[j] - target[j]
        if not huber:
            total += gap * gap
            errors[j] = 2 * gap * share
        elif abs(gap) <= 1:
            total += gap * gap / 2
            errors[j] = gap * share
        else:
            total += abs(gap) - output.dtype.type(0.5)
            errors[j] = np.sign(gap) * share
    return total * share


@_part
def _step(moved, values, index, rate, errors):
    """The step on the weights of each active input."""
    for i in index:
        row, step = moved[i], rate * values[i]
        for j in range(len(errors)):
            row[j] -= step * errors[j]


@_part
def _step_and_pass_down(weights, moved, values, index, rate, errors, errors_below, tanh):
    """The gradient by each active unit below, from its weights as they were, and the step on those weights."""
    errors_below[:] = 0
    for i in index:
        row, step, total = weights[i], rate * values[i], errors.dtype.type(0)
        for j in range(len(errors)):
            total += row[j] * errors[j]
        row = moved[i]
        for j in range(len(errors)):
            row[j] -= step * errors[j]
        errors_below[i] = total * (1 - values[i] * values[i]) if tanh else total
