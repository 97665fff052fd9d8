"""The learner: a model, its optimizer and loss, a memory, and the method that joins them."""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from everlearn import checkpoint, fast, saved, weights
from everlearn.batches import as_batch, check_finite, check_lengths, count, move, rows
from everlearn.batchnorm import running_statistics, update_statistics
from everlearn.chance import generator
from everlearn.losses import Prepared, as_loss
from everlearn.modes import evaluation_mode
from everlearn.types import Batch, Diverged, Forward, Holding, InputError, Loss, Memory, Method, Penalty, Point, column


def call_on_x(model: nn.Module, batch: Batch) -> Tensor:
    """The default forward: `model(batch["x"])`."""
    return model(column(batch, "x", "the default forward"))


class Learner:
    """Keeps a model learning from a stream.

    For one thread at a time: guard it with a lock where one thread learns and another predicts.

    Args:
        model: any module. Frozen parameters stay, tied ones move once.
        optimizer: any optimizer over the model's parameters whose step needs no closure. A Reptile
            step moves the parameters, not the optimizer's state: see the guide on optimizers.
        loss: `loss(output, batch) -> (rows,)` such as `cross_entropy`, or a torch loss module
            with `reduction="none"`, which is given column `y`; or `Prepared`, for one whose
            targets are computed from the rows.
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
        loss: Loss | nn.Module | Prepared,
        *,
        memory: Memory | None = None,
        method: Method,
        forward: Forward = call_on_x,
        step: Callable[[Tensor], None] | None = None,
        seed: int = 0,
    ) -> None:
        self.optimizer = optimizer
        self.loss = as_loss(loss.loss if isinstance(loss, Prepared) else loss)
        self._prepare = loss.prepare if isinstance(loss, Prepared) else None
        self.method = method
        self.forward = forward
        self.generator = generator(seed, "method")
        self.state: dict[str, Any] = {}
        self.steps = 0
        self._model = model
        self._memory = memory
        self._step = step
        self._paths = fast.Paths(model)
        self._check_optimizer()

    @property
    def model(self) -> nn.Module:
        """The model, with all that was learned; within a method, ask for it anew after each step."""
        self._paths.put_back()
        return self._model

    @property
    def path(self) -> str:
        """How a `learn` would take single-row steps, those of MER, just now: "compiled", or "readable: " and why.

        What the last rows were counts too, once there were some.
        """
        return self._paths.told(self._kind_of_step)

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
    def stored(self) -> Memory | None:
        """The memory, or None where the learner was made without one."""
        return self._memory

    @property
    def device(self) -> torch.device:
        """Where the model's first parameter is; batches are moved there."""
        return next(self._model.parameters()).device

    def learn(self, batch: Any) -> Tensor:
        """Learn from new rows, by the method.

        Args:
            batch: a mapping of columns or an `(x, y)` pair.

        Returns:
            The mean loss of these rows before the first step on each: no gradient, 0 dimensions.

        Raises:
            InputError: the batch is ragged, empty, lacks a column or holds NaN or infinity: nothing is
                learned from it. Or the loss refuses a row, such as a label out of range: methods
                that step row by row have learned the rows before it.
            Diverged: a loss became infinite or NaN: the weights are as before that step, or before all
                steps of the meta-update that it would have been part of. Or a weight
                did: go back to a checkpoint.
        """
        batch = as_batch(batch)
        check_finite(batch)
        try:
            with self._paths.learning():
                losses = self.method(self, batch)
                if not self._paths.is_finite():
                    self.check_weights("go back to a checkpoint, and use a lower learning rate")
                return losses.mean()
        except Exception as error:
            columns = (f"{name} {tuple(values.shape)} {values.dtype}" for name, values in batch.items())
            error.add_note(f"The batch was: {', '.join(columns)}")
            raise

    @torch.no_grad()
    def losses(self, batch: Any) -> Tensor:
        """Each row's loss in evaluation mode, without learning from it.

        Args:
            batch: a mapping of columns or an `(x, y)` pair.

        Returns:
            (rows,) on the model's device.
        """
        batch = self.prepared(as_batch(batch))
        with evaluation_mode(self.model):
            return self.loss(self.forward(self.model, batch), batch)

    @torch.no_grad()
    def predict(self, batch: Any) -> Any:
        """The model's output in evaluation mode, without gradients; modes are put back after.

        Args:
            batch: a mapping of columns, or an `(x, y)` pair whose `y` is not read.

        Returns:
            What `forward` returns, (rows, …) for most models.
        """
        with evaluation_mode(self.model):
            return self.forward(self.model, move(as_batch(batch), self.device))

    def prepared(self, batch: Batch) -> Batch:
        """Rows as the forward and the loss are given them: on the model's device, with what `Prepared` adds.

        Raises:
            InputError: what it gives are columns of unlike lengths.
        """
        batch = move(batch, self.device)
        if self._prepare is None:
            return batch
        with torch.no_grad():
            batch = self._prepare(batch)
        check_lengths(batch)
        return batch

    def descend(self, batch: Batch, weight: Tensor | None = None, penalty: Penalty | None = None) -> Tensor:
        """One optimizer step on Σ(weight · loss) / rows + penalty.

        Args:
            batch: any rows, new or old.
            weight: (rows,) factors of the losses; by default 1.
            penalty: `penalty(model)` gives a number with a gradient; by default there is none.

        Returns:
            (rows,) the losses before the step, without gradient and without the penalty.

        Raises:
            Diverged: a loss or the penalty is infinite or NaN; no step was taken.
        """
        batch = self.prepared(batch)
        if penalty is None and (ready := self._paths.ready(self._kind_of_step, batch, weight)) is not None:
            twin, given = ready
            losses = twin.descend(given, self._rate) if twin.gains(given) else None
            if losses is not None:
                self.steps += 1
                return losses
        with running_statistics(self.model, where=count(batch) == 1):
            return self._descend(batch, weight, penalty)

    def gradient(self, batch: Batch) -> tuple[Tensor, Point]:
        """The first half of `descend`, for methods that change gradients before a step.

        A forward pass in training mode: BatchNorm updates its running statistics by these rows.

        Args:
            batch: any rows, new or old.

        Returns:
            (rows,) the losses, without gradient; and the gradient of their mean by the trainable
            parameters, by name; zero for those that the rows don't reach.

        Raises:
            Diverged: a loss is infinite or NaN.
        """
        batch = self.prepared(batch)
        parameters = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        with running_statistics(self.model, where=count(batch) == 1):
            losses, objective = self._objective(batch, None, None)
        gradients = torch.autograd.grad(objective, list(parameters.values()), materialize_grads=True)
        return losses.detach(), dict(zip(parameters, gradients, strict=True))

    def gradients(self, batches: Sequence[Batch]) -> Tensor:
        """The gradient that `gradient` gives for each of several batches, as vectors.

        Where the compiled path applies, from one pass over all rows.

        Args:
            batches: one or more, of any rows, at least one each.

        Returns:
            (batches, parameters) the trainable parameters in the model's order.

        Raises:
            Diverged: a loss is infinite or NaN.
        """
        covered = next(self._paths.objections(self._kind_of_step), None) is None
        found = fast.gradients(self.model, self.loss, [*map(self.prepared, batches)]) if covered else None
        if found is None:
            found = torch.stack([weights.flat(self.gradient(batch)[1]) for batch in batches])
        return found

    def apply(self, gradient: Point) -> None:
        """The second half of `descend`: one optimizer step along a gradient.

        Where the learner has a `step` of one's own, it is given a loss that has this gradient.

        Args:
            gradient: by name, as `gradient` gives it; parameters that it lacks stay.
        """
        given = [(p, gradient[name]) for name, p in self.model.named_parameters() if name in gradient]
        self._take_step(torch.stack([(p * direction).sum() for p, direction in given]).sum())

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
        if count(batch) == 0:
            return torch.empty(0)
        if self._prepare is not None:
            batch = self.prepared(batch)
        ready = self._paths.ready(self._kind_of_step, batch, weight)
        if ready is None:
            return self._descend_each(move(batch, self.device), weight)
        twin, given = ready
        losses = twin.descend_each(given, self._rate)
        done = losses.shape[0]
        self.steps += done
        if done == count(batch):
            return losses
        # The next row cannot be stepped on: the readable path says why.
        rest = {name: values[done:] for name, values in batch.items()}
        return torch.cat([losses, self._descend_each(rest, None if weight is None else weight[done:])])

    @property
    def _kind_of_step(self) -> fast.Step:
        own = "forward=" if self.forward is not call_on_x else "step=" if self._step is not None else ""
        return fast.Step(self.loss, self.optimizer, own)

    @property
    def _rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def _descend_each(self, batch: Batch, weight: Tensor | None) -> Tensor:
        if count(batch) > 1:
            update_statistics(self.model, lambda: self.forward(self.model, batch))
        factors = [None] * count(batch) if weight is None else weight.split(1)
        with running_statistics(self.model):
            return torch.cat([self._descend(row, factor) for row, factor in zip(rows(batch), factors, strict=True)])

    def _descend(self, batch: Batch, weight: Tensor | None, penalty: Penalty | None = None) -> Tensor:
        losses, objective = self._objective(batch, weight, penalty)
        self._take_step(objective)
        return losses.detach()

    def _objective(self, batch: Batch, weight: Tensor | None, penalty: Penalty | None) -> tuple[Tensor, Tensor]:
        losses = self.loss(self.forward(self.model, batch), batch)
        if losses.shape != (count(batch),):
            raise InputError(
                f"the loss must give one value per row, shape ({count(batch)},), not {tuple(losses.shape)}: "
                "average over all but the first dimension"
            )
        objective = losses.mean() if weight is None else (weight.to(losses) * losses).mean()
        if penalty is not None:
            objective = objective + penalty(self.model)
        if not isfinite(objective.item()):
            raise Diverged(
                f"the loss is no longer finite after {self.steps} steps: this step was not taken. "
                "Use a lower learning rate, or clip the gradients in step="
            )
        return losses, objective

    def _take_step(self, objective: Tensor) -> None:
        if self._step is not None:
            self._step(objective)
        else:
            self.optimizer.zero_grad()
            objective.backward()
            self.optimizer.step()
        self.steps += 1

    def snapshot(self) -> Point:
        """A copy of the trainable parameters."""
        twin = self._paths.twin(self._kind_of_step)
        return weights.snapshot(self.model) if twin is None else twin.snapshot()

    def move_from(self, before: Point, rate: float) -> None:
        """θ ← before + rate · (θ − before), for the trainable parameters."""
        twin = self._paths.twin(self._kind_of_step)
        if twin is None or not twin.move_from(before, rate):
            weights.move_from(self.model, before, rate)

    def __getstate__(self) -> dict[str, Any]:
        # What a copy is made of must have what was learned.
        self._paths.put_back()
        return self.__dict__

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that a resumed run needs: weights, optimizer, memory, method, counters, generators.

        With torch's global generator, from which dropout draws. A memory on disk copies no rows: it remembers this
        moment.
        """
        return saved.state_of(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become the learner that `state` was taken from; torch's global generator is set too.

        Raises:
            InputError: the state is of another model, optimizer or memory; nothing was changed.
        """
        saved.restore(self, state)

    def hold(self, state: Mapping[str, Any]) -> None:
        """Keep what `state_dict` gave from being let go by a memory on disk, until another state is held."""
        if isinstance(self._memory, Holding):
            self._memory.hold(saved.memory_in(state))

    def confirm(self, state: Mapping[str, Any]) -> None:
        """What `state_dict` gave was kept, in a file of one's own, say: a memory on disk counts it among its saves."""
        if isinstance(self._memory, Holding):
            self._memory.confirm(saved.memory_in(state))

    def save(self, path: str | Path, also: Any = None) -> None:
        """Write everything into one file; a crash leaves the old file or the new one.

        Rows of a memory on disk are not copied: it remembers this moment, and can go back to its last ones.

        Args:
            path: such as ``"learner.safetensors"``.
            also: what else the loop around needs to go on, such as
                ``{"scheduler": scheduler.state_dict(), "position": 1234}``: dicts, lists, tensors, numbers, strings.

        Raises:
            Diverged: a weight is infinite or NaN; the file is as it was.
            InputError: a checkpoint can't hold what is in `also`; the file is as it was.
            OSError: the disk is full; the file is as it was.
        """
        self.check_weights(f"it was not saved over {path}")
        state = self.state_dict()
        checkpoint.save(state | {"also": also}, path)
        self.confirm(state)

    def load(self, path: str | Path) -> Any:
        """Become the learner that was saved at `path`. Nothing is unpickled.

        Returns:
            What else was saved there, or None.

        Raises:
            InputError: there is no such file, it is not whole, or it is of another model, optimizer or
                memory; nothing was changed.
        """
        state = checkpoint.load(path)
        self.load_state_dict(state)
        self.confirm(state)
        return state.get("also")

    def load_weights(self, path: str | Path) -> None:
        """Take the model's weights alone from what was saved at `path`, to predict with, say.

        Raises:
            InputError: there is no such file, it is not whole, or it is of another model; nothing was changed.
        """
        found = saved.weights_in(checkpoint.load(path))
        if found is None:
            raise InputError(f"{path} is not the state of a learner")
        saved.check_model(self.model, found)
        self.model.load_state_dict(found)

    def check_weights(self, so: str) -> None:
        """Refuse to go on where a parameter is infinite or NaN.

        Args:
            so: what to do, or what was not done, for the message.

        Raises:
            Diverged: naming the first such parameter.
        """
        if (name := weights.not_finite(self.model)) is not None:
            raise Diverged(f"{name} holds NaN or infinity: {so}")

    def _check_optimizer(self) -> None:
        trainable = {id(p) for p in self.model.parameters() if p.requires_grad}
        try:
            held = {id(p) for group in self.optimizer.param_groups for p in group["params"]}
        except AttributeError:
            raise InputError(
                f"optimizer must be an optimizer, such as torch.optim.SGD(model.parameters(), lr=0.1), "
                f"not a {type(self.optimizer).__name__}"
            ) from None
        if not trainable & held:
            raise InputError(
                "the optimizer holds none of the model's trainable parameters: "
                "make it from model.parameters() of this very model"
            )
