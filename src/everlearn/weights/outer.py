"""Slow weights that follow fast ones: Reptile, Lookahead, SNOO, Local SGD and DiLoCo are one operator."""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.optim import SGD, Optimizer

from everlearn.ranges import at_least, positive
from everlearn.types import InputError
from everlearn.weights.point import pseudo_gradient

ZERO = ("ds_id", "_hp_mapping")
"""What DeepSpeed notes at parameters that it has taken over: ZeRO's stage 3; its other stages, and bfloat16."""

MakeOptimizer = Callable[[list[Tensor]], Optimizer]
"""Makes the outer optimizer, of the slow weights."""


class OuterStep:
    """After every few steps of an optimizer, a step of slow weights along the way that these went.

    With slow weights w and fast ones θ, which an optimizer of one's own steps on, after every so many of its steps

        g = w − θ,   w ← the outer optimizer's step along g,   θ ← w

    where g may be averaged over processes that each have their own θ. What that is goes by its settings:

    * `reptile`, plain SGD with a rate ε: Reptile (Nichol et al. 2018, Algorithm 1), MER's step across batches (its γ;
      Abbes et al. 2026), and `lookahead` (Zhang et al. 2019, Algorithm 1), with other settings
    * `snoo`, SGD with Nesterov momentum: SNOO (arXiv 2510.15830), which is DiLoCo of one worker
    * `local_sgd`, averaged, SGD with a rate of 1: Local SGD (Stich 2019), federated averaging (McMahan et al. 2017)
    * `batched_reptile`, averaged, plain SGD: Reptile over several tasks at once (Nichol et al. 2018, Algorithm 2)
    * `diloco`, averaged, with Nesterov momentum: DiLoCo (Douillard et al. 2023, Algorithm 1)

    Momentum changes what Reptile's steps are, to first order: more than a raise of the gradients' dot products.

    Slow weights of half precision are kept in float32. Shards (`DTensor`) stay where they are, and nothing is
    gathered. Tied weights move once, frozen ones never; which are trainable is asked when this is made. BatchNorm's
    statistics and the optimizer's own state are left as they are.

    Args:
        parameters: the tensors that the optimizer steps on, or pairs of names and these. Where it keeps masters in
            float32 of weights in bfloat16, these masters: its next step undoes what is written to the weights alone.
        every: steps of the optimizer from one outer step to the next.
        outer_optimizer: makes the outer optimizer of the slow weights.
        average: over the processes of `group`, each of which steps on its own; all of them take outer steps at once.
        group: by default all processes.

    Raises:
        InputError: nothing is trainable, `every` is below 1, parameters belong to DeepSpeed's ZeRO, or there are no
            processes to average over.

    >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
    >>> inner = torch.optim.SGD([weight], lr=1.0)
    >>> outer = OuterStep.reptile([weight], every=2, rate=0.5)
    >>> for _ in range(2):
    ...     weight.grad = torch.tensor([-2.0])
    ...     inner.step()
    ...     moved = outer.step()
    >>> moved, weight.item()
    (True, 3.0)
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[tuple[str, Tensor]],
        every: int,
        outer_optimizer: MakeOptimizer,
        *,
        average: bool = False,
        group: dist.ProcessGroup | None = None,
    ) -> None:
        at_least(1, every=every)
        self._fast = _trainable(parameters)
        if average and not (dist.is_available() and dist.is_initialized()):
            raise InputError("there are no processes to average over: torch.distributed.init_process_group() first")
        self.every, self.average, self.group = every, average, group
        self.taken = 0
        """Steps of the optimizer so far."""
        self._slow = {name: _kept(tensor) for name, tensor in self._fast.items()}
        self._outer = outer_optimizer([*self._slow.values()])

    @classmethod
    def reptile(cls, parameters: Iterable[Any], every: int, rate: float) -> "OuterStep":
        """w ← w + rate · (θ − w)."""
        at_least(2, every=every)
        positive(rate=rate)
        return cls(parameters, every, partial(SGD, lr=rate))

    @classmethod
    def lookahead(cls, parameters: Iterable[Any], every: int = 5, rate: float = 0.5) -> "OuterStep":
        """The same formula, with its authors' settings."""
        return cls.reptile(parameters, every, rate)

    @classmethod
    def snoo(cls, parameters: Iterable[Any], every: int, rate: float = 0.7, momentum: float = 0.9) -> "OuterStep":
        """Nesterov momentum on the pseudo-gradient: m ← μ·m + g, w ← w − rate · (g + μ·m)."""
        return cls(parameters, every, _nesterov(rate, momentum))

    @classmethod
    def local_sgd(cls, parameters: Iterable[Any], every: int, *, group: dist.ProcessGroup | None = None) -> "OuterStep":
        """w ← the processes' mean θ."""
        return cls(parameters, every, partial(SGD, lr=1.0), average=True, group=group)

    @classmethod
    def batched_reptile(
        cls, parameters: Iterable[Any], every: int, rate: float, *, group: dist.ProcessGroup | None = None
    ) -> "OuterStep":
        """w ← w + rate · (the processes' mean θ − w)."""
        positive(rate=rate)
        return cls(parameters, every, partial(SGD, lr=rate), average=True, group=group)

    @classmethod
    def diloco(
        cls,
        parameters: Iterable[Any],
        every: int = 500,
        rate: float = 0.7,
        momentum: float = 0.9,
        *,
        group: dist.ProcessGroup | None = None,
    ) -> "OuterStep":
        """As `snoo`, of the processes' mean."""
        return cls(parameters, every, _nesterov(rate, momentum), average=True, group=group)

    def step(self) -> bool:
        """Count a step of the optimizer, which was just taken; at every so many of them, take an outer one.

        Returns:
            Whether it was.
        """
        self.taken += 1
        if self.taken % self.every:
            return False
        self._step()
        return True

    @torch.no_grad()
    def _step(self) -> None:
        gradients = {name: pseudo_gradient(slow, self._fast[name]) for name, slow in self._slow.items()}
        if self.average:
            _average([_local(one) for one in gradients.values()], self.group)
        for name, slow in self._slow.items():
            slow.grad = gradients[name]
        self._outer.step()
        self._outer.zero_grad()
        for name, slow in self._slow.items():
            self._fast[name].copy_(slow)

    @torch.no_grad()
    def restart(self) -> None:
        """Begin anew from where the parameters are now, such as after another outer step around this one moved them."""
        for name, slow in self._slow.items():
            slow.copy_(self._fast[name])
        self.taken -= self.taken % self.every

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs but for the parameters; its tensors are shared with this, not copied.

        So `torch.distributed.checkpoint` can save it, and load it where there are more or fewer processes.
        """
        return {
            "taken": self.taken,
            "slow": dict(self._slow),
            "outer": (self._outer if self.taken >= self.every else _after_nothing(self._outer)).state_dict(),
        }

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state` was taken.

        Raises:
            InputError: it is of other parameters; nothing was changed.
        """
        slow = state["slow"]
        for name in sorted(slow.keys() | self._slow.keys()):
            theirs, own = (tuple(one[name].shape) if name in one else "nothing" for one in (slow, self._slow))
            if theirs != own:
                raise InputError(f"the saved slow weights are of another model: {name} is {theirs}, here it is {own}")
        for name, tensor in slow.items():
            self._slow[name].copy_(tensor)
        self.taken = int(state["taken"])
        if self.taken >= self.every:
            self._outer.load_state_dict(deepcopy(dict(state["outer"])))


def _nesterov(rate: float, momentum: float) -> MakeOptimizer:
    positive(rate=rate, momentum=momentum)
    return partial(SGD, lr=rate, momentum=momentum, nesterov=True)


def _trainable(parameters: Iterable[Any]) -> dict[str, Tensor]:
    """By name, or number, each tensor once."""
    named = [one if isinstance(one, tuple) else (str(i), one) for i, one in enumerate(parameters)]
    once = {id(tensor): name for name, tensor in reversed(named)}
    found = {name: tensor for name, tensor in named if tensor.requires_grad and once[id(tensor)] == name}
    if not found:
        raise InputError("there is nothing to train: none of the parameters requires a gradient")
    if any(getattr(tensor, name, None) is not None for tensor in found.values() for name in ZERO):
        raise InputError(
            "these parameters are DeepSpeed's: its optimizers keep the weights that count elsewhere, in float32, and "
            "would undo an outer step at once. Use FSDP2 (torch.distributed.fsdp.fully_shard) instead"
        )
    return found


def _kept(tensor: Tensor) -> Tensor:
    """A slow copy."""
    half = tensor.dtype in (torch.float16, torch.bfloat16)
    return tensor.detach().to(torch.float32 if half else tensor.dtype, copy=True)


def _local(tensor: Tensor) -> Tensor:
    """This process's shard."""
    # Two seconds to import, and of use only where there are processes.
    from torch.distributed.tensor import DTensor  # noqa: PLC0415

    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _average(tensors: list[Tensor], group: dist.ProcessGroup | None) -> None:
    """Make each tensor its mean over a group's processes."""
    waiting = [dist.all_reduce(tensor, group=group, async_op=True) for tensor in tensors]
    for one in waiting:
        one.wait()
    torch._foreach_div_(tensors, dist.get_world_size(group))


def _after_nothing(outer: Optimizer) -> Optimizer:
    """A copy that has taken a step along nothing, so that its notes have the places that later ones are loaded into."""
    copied = deepcopy(outer)
    for group in copied.param_groups:
        for tensor in group["params"]:
            tensor.grad = torch.zeros_like(tensor)
    copied.step()
    return copied
