"""Slow weights that follow fast ones: Reptile, Lookahead, SNOO, Local SGD and DiLoCo are one operator."""

import warnings
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
from everlearn.weights.parameters import check_alike, check_there, local, trainable
from everlearn.weights.point import pseudo_gradient

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

    Where nothing moved from one outer step to the next, it warns: `fully_shard` puts other parameters into a model, so
    that it comes first, then the optimizer and this.

    Args:
        parameters: the tensors that the optimizer steps on, or pairs of names and these. Where it keeps masters in
            float32 of weights in bfloat16, these masters: its next step undoes what is written to the weights alone.
            The weights have the outer step once the masters are copied to them: where `step` gave True, copy them.
        every: steps of the optimizer from one outer step to the next.
        outer_optimizer: makes the outer optimizer of the slow weights.
        average: over the processes of `group`, each of which steps on its own. All of them make this and take outer
            steps at once; they begin with the trainable parameters of the first of them.
        group: by default all processes. No two of them may hold different shards of a parameter.

    Raises:
        InputError: nothing is trainable, two parameters have one name, `every` is too small, parameters belong to
            DeepSpeed's ZeRO or have no numbers yet, the outer optimizer is none of the slow weights, or there are no
            processes to average over, or shards of them.

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
        self._fast = trainable(parameters)
        if average and not (dist.is_available() and dist.is_initialized()):
            raise InputError("there are no processes to average over: torch.distributed.init_process_group() first")
        self.every, self.average, self.group = every, average, group
        self.taken = 0
        """Steps of the optimizer so far."""
        self._moved = 0
        if average:
            check_alike(self._fast, group)
            for tensor in self._fast.values():
                dist.broadcast(local(tensor.detach()), group=group, group_src=0)
        self._slow = {name: _kept(tensor) for name, tensor in self._fast.items()}
        self._outer = outer_optimizer([*self._slow.values()])
        _check_optimizer(self._outer, self._slow)

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

        A step that a `GradScaler` skipped counts as any other where this is called after it.

        Returns:
            Whether it was.

        Raises:
            InputError: a parameter's numbers were freed since this was made; nothing was changed.
        """
        outer = (self.taken + 1) % self.every == 0
        if outer:
            self._step()
        self.taken += 1
        return outer

    @torch.no_grad()
    def _step(self) -> None:
        for name, tensor in self._fast.items():
            check_there(name, tensor)
        gradients = {name: pseudo_gradient(slow, self._fast[name]) for name, slow in self._slow.items()}
        if self.average:
            _average([local(one) for one in gradients.values()], self.group)
        self._warn_if_still([*gradients.values()])
        for name, slow in self._slow.items():
            slow.grad = gradients[name]
        self._outer.step()
        self._outer.zero_grad()
        for name, slow in self._slow.items():
            self._fast[name].copy_(slow)
        self._moved += 1

    def _warn_if_still(self, gradients: list[Tensor]) -> None:
        parts = [part for part in map(local, gradients) if part.numel()]
        if parts and not any(bool(part.any()) for part in parts):
            warnings.warn(
                f"no parameter moved in {self.every} steps of the optimizer: if the model was sharded (fully_shard) or "
                "replaced since the optimizer or this OuterStep was made, make them of its parameters as they are now",
                stacklevel=4,
            )

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
            "moved": self._moved,
            "slow": dict(self._slow),
            "outer": (self._outer if self._moved else _after_nothing(self._outer)).state_dict(),
        }

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state` was taken, by this one's own settings.

        Raises:
            InputError: it is of other parameters, of another outer optimizer, not finite, or no such state; nothing was
                changed.
        """
        own = self.state_dict()
        _check(state, own)
        notes = deepcopy(dict(state["outer"]["state"])) if state["moved"] else {}
        self._outer.load_state_dict(own["outer"] | {"state": notes})
        for name, tensor in state["slow"].items():
            self._slow[name].copy_(tensor)
        self.taken, self._moved = state["taken"], state["moved"]


def _check(state: Any, own: dict[str, Any]) -> None:
    """Refuse a state that is not like one's own."""
    if not isinstance(state, Mapping) or not own.keys() <= state.keys():
        raise InputError(f"this is not the state of an OuterStep: it lacks {', '.join(own)}, or some of these")
    if any(type(state[name]) is not int or state[name] < 0 for name in ("taken", "moved")):
        raise InputError(
            f"this is not the state of an OuterStep: {state['taken']!r} steps, {state['moved']!r} of its own"
        )
    outer = state["outer"]
    if not isinstance(outer, Mapping) or not isinstance(outer.get("state"), Mapping):
        raise InputError("this is not the state of an OuterStep: its outer optimizer's is missing")
    for what, theirs, ours in (
        ("slow weights are of another model", _flat(state["slow"]), _flat(own["slow"])),
        ("outer optimizer is another, or of another model", _flat(outer["state"]), _flat(own["outer"]["state"])),
    ):
        for name in sorted(theirs.keys() | ours.keys()):
            there, here = (_told(one.get(name)) for one in (theirs, ours))
            if there != here:
                raise InputError(f"the saved {what}: {name} is {there}, here it is {here}")
            if isinstance(theirs[name], Tensor) and not local(theirs[name]).isfinite().all():
                raise InputError(f"the saved {name} holds NaN or infinity")


def _flat(tree: Any, name: str = "") -> dict[str, Any]:
    """What is in nested mappings, by the keys on the way."""
    if not isinstance(tree, Mapping):
        return {name: tree}
    return {
        key: value for at, one in tree.items() for key, value in _flat(one, f"{name}.{at}" if name else f"{at}").items()
    }


def _told(value: Any) -> str:
    """A tensor's shape, or what else it is."""
    if value is None:
        return "nothing"
    return str(tuple(value.shape)) if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _nesterov(rate: float, momentum: float) -> MakeOptimizer:
    positive(rate=rate, momentum=momentum)
    return partial(SGD, lr=rate, momentum=momentum, nesterov=True)


def _check_optimizer(outer: Any, slow: Mapping[str, Tensor]) -> None:
    if not isinstance(outer, Optimizer):
        raise InputError(f"outer_optimizer must make a torch optimizer of the tensors it is given, not {outer!r}")
    theirs = {id(tensor) for group in outer.param_groups for tensor in group["params"]}
    if theirs != {id(tensor) for tensor in slow.values()}:
        raise InputError("outer_optimizer must make an optimizer of all tensors that it is given, and of no others")


def _kept(tensor: Tensor) -> Tensor:
    """A slow copy."""
    half = tensor.dtype in (torch.float16, torch.bfloat16)
    return tensor.detach().to(torch.float32 if half else tensor.dtype, copy=True)


def _average(tensors: list[Tensor], group: dist.ProcessGroup | None) -> None:
    """Make each tensor its mean over a group's processes."""
    waiting = [dist.all_reduce(tensor, group=group, async_op=True) for tensor in tensors]
    for one in waiting:
        one.wait()
    torch._foreach_div_(tensors, dist.get_world_size(group))


def _after_nothing(outer: Optimizer) -> Optimizer:
    """One that has taken a step along nothing, so that its notes have the places that later ones are loaded into."""
    if type(outer) is SGD and not any(group["momentum"] for group in outer.param_groups):
        return outer  # It keeps none, and slow weights need not be copied.
    copied = deepcopy(outer)
    for group in copied.param_groups:
        for tensor in group["params"]:
            tensor.grad = torch.zeros_like(tensor)
    copied.step()
    return copied
