"""Gradient episodic memory."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from everlearn.ranges import not_negative
from everlearn.types import Batch, Diverged, InputError, Learning, Point, TaskMemory, task_column
from everlearn.weights import flat


@dataclass(frozen=True)
class GEM:
    """Gradient episodic memory: no step that would raise the loss on a past task's memory.

    Lopez-Paz and Ranzato 2017, Algorithm 1, as in Riemer et al. 2019, Table 2. Where the
    new rows' gradient g has a negative dot product with the gradient of a past task's rows in
    memory, the step follows the nearest g̃ that has none: g̃ = g + Gᵀv, where v solves the dual
    (equation 11) min ½vᵀGGᵀv + (Gg)ᵀv with v ≥ `strength`. Then the new rows enter the memory.

    The memory keeps tasks apart: `Ring(capacity, tasks)`. Reads the column `task`; the task of a
    batch's last row is the current one. A step costs one gradient for each past task.
    """

    strength: float = 0.5
    """The least that any v may be once there is a conflict (the paper's γ): more favours old tasks."""

    def __post_init__(self) -> None:
        not_negative(strength=self.strength)

    def __call__(self, learner: Learning, batch: Batch) -> Tensor:
        memory, current = learner.memory, int(task_column(batch, "GEM")[-1])
        if not isinstance(memory, TaskMemory):
            raise InputError("GEM needs a memory that keeps tasks apart: everlearn.Ring(capacity, tasks=…)")
        memory.expect(batch)
        past = [task for task in memory.tasks() if task != current]
        losses, gradient = learner.gradient(batch)
        if past:
            constraints = learner.gradients([memory.rows(task) for task in past])
            try:
                gradient = project(gradient, constraints, self.strength)
            except (InputError, Diverged) as error:
                raise type(error)(f"at task {current}, {error}") from error
        learner.apply(gradient)
        memory.add(batch)
        return losses


def project(gradient: Point, constraints: Tensor, strength: float) -> Point:
    """The nearest gradient without a conflict (Lopez-Paz and Ranzato 2017, equations 8-11).

    The dual is solved as non-negative least squares, in double precision, with constraints scaled
    to length 1 and a small ridge on their Gram matrix, which is computed in double precision too where
    rounding would spoil it: so gradients that vanish, or repeat each other, do no harm.

    Args:
        gradient: of the new rows.
        constraints: (tasks, parameters) gradients that are not to be opposed.
        strength: the least value of each multiplier v.

    Returns:
        The gradient itself where it opposes none.

    Raises:
        Diverged: a gradient is infinite or NaN.
        InputError: the solver found no solution; with the Gram matrix's condition number.

    >>> project({"w": torch.tensor([1.0, -1.0])}, torch.tensor([[0.0, 2.0]]), 0.0)["w"].round(decimals=4).abs()
    tensor([1., 0.])
    """
    own = flat(gradient)
    dots = constraints @ own
    if not bool(dots.isfinite().all()):
        raise Diverged("a gradient is infinite or NaN: no step was taken. Use a lower learning rate")
    if not bool((dots < 0).any()):
        return gradient
    gram, lengths = _gram(constraints)
    if not _is_definite(gram):
        gram, lengths = _gram(constraints.double())
    scaled = _dual(gram, dots.double().cpu().numpy() / lengths, strength * lengths)
    moved = own + torch.from_numpy(scaled / lengths).to(own) @ constraints
    parts = moved.split([part.numel() for part in gradient.values()])
    return {name: part.view_as(gradient[name]) for name, part in zip(gradient, parts, strict=True)}


def _gram(constraints: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The Gram matrix of the constraints scaled to length 1, with a ridge above most rounding; and their lengths."""
    gram = (constraints @ constraints.T).double().cpu().numpy()
    lengths = np.sqrt(gram.diagonal())
    lengths[lengths == 0] = 1
    ridge = max(16 * torch.finfo(constraints.dtype).eps, 1e-10) * np.eye(len(gram))
    return gram / np.outer(lengths, lengths) + ridge, lengths


def _is_definite(gram: np.ndarray) -> bool:
    try:
        np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        return False
    return True


def _dual(gram: np.ndarray, dots: np.ndarray, least: np.ndarray) -> np.ndarray:
    """The v ≥ least that makes ½vᵀPv + dotsᵀv smallest, P = gram.

    With P = RᵀR and u = v − least ≥ 0 that is |Ru + R⁻ᵀ(dots + P·least)|² / 2.
    """
    from scipy.optimize import nnls  # noqa: PLC0415

    try:
        root = np.linalg.cholesky(gram)
        return nnls(root.T, -np.linalg.solve(root, dots + gram @ least))[0] + least
    except (RuntimeError, np.linalg.LinAlgError, ValueError) as error:
        condition = np.linalg.cond(gram) if np.isfinite(gram).all() else np.nan
        raise InputError(
            f"the gradient could not be projected ({error}): {len(gram)} constraints, whose Gram matrix has the "
            f"condition number {condition:.3g}. Use a lower learning rate, or fewer tasks in memory"
        ) from error
