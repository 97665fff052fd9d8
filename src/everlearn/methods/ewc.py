"""Elastic weight consolidation."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from everlearn.batches import count, join, rows
from everlearn.ranges import at_least, not_negative, one_of
from everlearn.types import Batch, Learning, Penalty, Point, task_column


@dataclass(frozen=True)
class EWC:
    """Elastic weight consolidation: weights that mattered for past tasks are held by springs.

    Kirkpatrick et al. 2017, equation 3, as Riemer et al. 2019 ran it: loss +
    `strength` · Σₜ Σᵢ Fₜᵢ (θᵢ − θ*ₜᵢ)² over the past tasks t and the parameters i, where θ*ₜ are the
    weights at the end of task t and Fₜ is its Fisher information on its first `kept` rows:
    with `fisher="batch"` the squared gradient of their mean loss, which is what the paper's code
    computes, with "rows" the mean of the squared gradients, as usually meant. (Both are empirical: they
    take the labels that came, where Kirkpatrick takes labels drawn from the model.)

    One optimizer step on each batch; no memory beyond those few rows. Reads the column `task`: a
    task ends with the first batch that has another; one that comes again gets further springs. A batch
    of rows of several tasks is learned as one of its last row's task.

    All springs together are one: Σₜ Fₜ (θ − θ*ₜ)² has the gradient of F (θ − θ̄)² with F = Σₜ Fₜ and θ̄ the
    F-weighted mean of the θ*ₜ, so that the cost does not grow with the number of tasks.
    """

    strength: float = 10.0
    """The springs' factor (λ, without Kirkpatrick's ½)."""
    kept: int = 10
    """Rows of each task, its first ones, that are kept for the Fisher information."""
    fisher: Literal["batch", "rows"] = "batch"
    """Squared mean gradient, or mean squared gradient."""

    def __post_init__(self) -> None:
        not_negative(strength=self.strength)
        at_least(1, kept=self.kept)
        one_of(("batch", "rows"), fisher=self.fisher)

    def __call__(self, learner: Learning, batch: Batch) -> Tensor:
        state, task = learner.state, int(task_column(batch, "EWC")[-1])
        if state.get("task", task) != task and state["first"]:
            self._hold(learner)
            state["first"] = {}
        first = state.get("first", {})
        # Before the step: what can't be joined is refused before it is learned.
        kept = join(first, batch) if count(first) < self.kept else first
        losses = learner.descend(batch, penalty=self._penalty(state) if "importance" in state else None)
        state["task"] = task
        if kept is not first:
            state["first"] = {name: values[: self.kept].detach().clone() for name, values in kept.items()}
        return losses

    def _penalty(self, state: dict[str, Any]) -> Penalty:
        importance, anchor = state["importance"], state["anchor"]

        def penalty(model: nn.Module) -> Tensor:
            springs = [
                (importance[name] * (p - anchor[name]) ** 2).sum()
                for name, p in model.named_parameters()
                if name in importance
            ]
            return self.strength * torch.stack(springs).sum()

        return penalty

    def _hold(self, learner: Learning) -> None:
        """The task that ended is added to the springs."""
        state, weights = learner.state, learner.snapshot()
        importance, anchor = state.setdefault("importance", {}), state.setdefault("anchor", {})
        for name, part in self._fisher(learner).items():
            total = importance.get(name, 0.0) + part
            share = torch.where(total > 0, part / total, 0.0)
            anchor[name] = torch.lerp(anchor.get(name, weights[name]), weights[name], share)
            importance[name] = total

    def _fisher(self, learner: Learning) -> Point:
        first = learner.state["first"]
        if self.fisher == "batch":
            return {name: part**2 for name, part in learner.gradient(first)[1].items()}
        each = [learner.gradient(row)[1] for row in rows(first)]
        return {name: torch.stack([one[name] ** 2 for one in each]).mean(0) for name in each[0]}
