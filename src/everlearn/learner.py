"""The learner: a model, its optimizer and loss, a memory, and the method that joins them."""

from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from everlearn import checkpoint, weights
from everlearn.batches import as_batch, check_finite, count, move, rows
from everlearn.batchnorm import running_statistics, update_statistics
from everlearn.chance import generator
from everlearn.losses import as_loss
from everlearn.types import Batch, Diverged, Forward, InputError, Loss, Memory, Method, Point, column


def call_on_x(model: nn.Module, batch: Batch) -> Tensor:
    """The default forward: `model(batch["x"])`."""
    return model(column(batch, "x", "the default forward"))


class Learner:
    """Keeps a model learning from a stream.

    Args:
        model: any module. Frozen parameters stay, tied ones move once.
        optimizer: any optimizer over the model's parameters. A Reptile step moves the
            parameters, not the optimizer's state: see the guide on optimizers.
        loss: `loss(output, batch) -> (rows,)` such as `cross_entropy`, or a torch loss module
            with `reduction="none"`, which is given column `y`.
        memory: a `Memory` such as `Reservoir(500)`, for methods that replay.
        method: a `Method` such as `MER()`.
        forward: `forward(model, batch) -> output`; by default the model is called on column `x`.
        step: `step(loss)` in place of zero_grad, backward and optimizer.step, for one's own
            clipping, gradient scaling or `accelerator.backward`.
        seed: of the method's own chance.

    Raises:
        InputError: the optimizer holds none of the model's trainable parameters, or the loss
            module averages over rows.

    >>> import everlearn as el
    >>> model = el.mlp([2, 8, 2])
    >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> learner = el.Learner(model, sgd, el.cross_entropy, memory=el.Reservoir(50), method=el.MER())
    >>> loss = learner.learn((torch.zeros(1, 2), torch.tensor([1])))
    >>> learner.predict({"x": torch.zeros(3, 2)}).shape, learner.steps
    (torch.Size([3, 2]), 5)
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: Loss | nn.Module,
        *,
        memory: Memory | None = None,
        method: Method,
        forward: Forward = call_on_x,
        step: Callable[[Tensor], None] | None = None,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.loss = as_loss(loss)
        self.method = method
        self.forward = forward
        self.generator: Generator = generator(seed, "method")
        self.state: dict[str, Any] = {}
        self.steps = 0
        self._memory = memory
        self._step = step or self._optimizer_step
        self._check_optimizer()

    @property
    def memory(self) -> Memory:
        """The memory.

        Raises:
            InputError: the learner was made without one.
        """
        if self._memory is None:
            name = type(self.method).__name__
            raise InputError(f"{name} needs a memory: Learner(…, memory=everlearn.Reservoir(500), method=…)")
        return self._memory

    @property
    def device(self) -> torch.device:
        """Where the model's first parameter is; batches are moved there."""
        return next(self.model.parameters()).device

    def learn(self, batch: Any) -> Tensor:
        """Learn from new rows, by the method.

        Args:
            batch: a mapping of columns or an `(x, y)` pair.

        Returns:
            The mean loss of these rows before the first step on each: no gradient, 0 dimensions.

        Raises:
            InputError: the batch is ragged, empty, lacks a column or holds NaN or infinity; nothing
                is learned from it.
            Diverged: a loss became infinite or NaN; the weights are as before that step.
        """
        batch = as_batch(batch)
        check_finite(batch)
        return self.method(self, batch).mean()

    @torch.no_grad()
    def predict(self, batch: Any) -> Any:
        """The model's output in evaluation mode, without gradients; modes are put back after.

        Args:
            batch: a mapping of columns, or an `(x, y)` pair whose `y` is not read.

        Returns:
            What `forward` returns, (rows, …) for most models.
        """
        modes = {module: module.training for module in self.model.modules()}
        self.model.eval()
        try:
            return self.forward(self.model, move(as_batch(batch), self.device))
        finally:
            for module, training in modes.items():
                module.training = training

    def descend(self, batch: Batch, weight: Tensor | None = None) -> Tensor:
        """One optimizer step on Σ(weight · loss) / rows.

        Args:
            batch: any rows, new or old.
            weight: (rows,) factors of the losses; by default 1.

        Returns:
            (rows,) the losses before the step, without gradient.

        Raises:
            Diverged: a loss is infinite or NaN; no step was taken.
        """
        batch = move(batch, self.device)
        if count(batch) > 1:
            return self._descend(batch, weight)
        with running_statistics(self.model):
            return self._descend(batch, weight)

    def descend_each(self, batch: Batch, weight: Tensor | None = None) -> Tensor:
        """One optimizer step per row, in order.

        BatchNorm layers normalise by their running statistics, which are updated first, once, by
        the whole batch, where it has more than one row.

        Args:
            batch: any rows, new or old.
            weight: (rows,) each scales the loss of its row's own step; by default 1.

        Returns:
            (rows,) each row's loss before its own step, without gradient.

        Raises:
            Diverged: a loss is infinite or NaN; that step was not taken.
        """
        batch = move(batch, self.device)
        if count(batch) > 1:
            update_statistics(self.model, lambda: self.forward(self.model, batch))
        factors = [None] * count(batch) if weight is None else weight.split(1)
        with running_statistics(self.model):
            return torch.cat([self._descend(row, factor) for row, factor in zip(rows(batch), factors, strict=True)])

    def _descend(self, batch: Batch, weight: Tensor | None) -> Tensor:
        losses = self.loss(self.forward(self.model, batch), batch)
        if losses.shape != (count(batch),):
            raise InputError(
                f"the loss must give one value per row, shape ({count(batch)},), not {tuple(losses.shape)}: "
                "average over all but the first dimension"
            )
        objective = losses.mean() if weight is None else (weight.to(losses) * losses).mean()
        if not isfinite(objective.item()):
            raise Diverged(
                f"the loss is no longer finite after {self.steps} steps: this step was not taken. "
                "Use a lower learning rate, or clip the gradients in step="
            )
        self._step(objective)
        self.steps += 1
        return losses.detach()

    def _optimizer_step(self, loss: Tensor) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def snapshot(self) -> Point:
        """A copy of the trainable parameters."""
        return weights.snapshot(self.model)

    def move_from(self, before: Point, rate: float) -> None:
        """θ ← before + rate · (θ − before), for the trainable parameters."""
        weights.move_from(self.model, before, rate)

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs: weights, optimizer, memory, method, counters, generators.

        With torch's global generator, from which dropout draws.
        """
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "memory": None if self._memory is None else self._memory.state_dict(),
            "method": dict(self.state),
            "steps": self.steps,
            "generator": self.generator.get_state(),
            "torch": torch.get_rng_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become the learner that `state` was taken from; torch's global generator is set too."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["memory"] is not None:
            self.memory.load_state_dict(state["memory"])
        self.state = dict(state["method"])
        self.steps = state["steps"]
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["torch"])

    def save(self, path: str | Path) -> None:
        """Write everything into one file; a crash leaves the old file or the new one.

        Args:
            path: such as ``"learner.safetensors"``.
        """
        checkpoint.save(self.state_dict(), path)

    def load(self, path: str | Path) -> None:
        """Become the learner that was saved at `path`. Nothing is unpickled.

        Raises:
            InputError: there is no such file, or it is not a checkpoint of this kind.
        """
        self.load_state_dict(checkpoint.load(path))

    def _check_optimizer(self) -> None:
        trainable = {id(p) for p in self.model.parameters() if p.requires_grad}
        held = {id(p) for group in self.optimizer.param_groups for p in group["params"]}
        if not trainable & held:
            raise InputError(
                "the optimizer holds none of the model's trainable parameters: "
                "make it from model.parameters() of this very model"
            )
