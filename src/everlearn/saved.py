"""A learner's whole state: what it is, what of it must agree, and how it is put back."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from everlearn.types import InputError, Memory

PARTS = frozenset({"model", "optimizer", "memory", "method", "steps", "generator", "torch"})
ELEMENTWISE = {"SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adagrad", "Adadelta", "RMSprop", "Muon"}
"""Optimizers of torch whose notes of a parameter are shaped as it is, or are numbers."""


class Saved(Protocol):
    """What of a learner must survive."""

    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    state: dict[str, Any]
    steps: int

    @property
    def model(self) -> nn.Module: ...

    @property
    def stored(self) -> Memory | None: ...

    @property
    def device(self) -> torch.device: ...


def state_of(learner: Saved) -> dict[str, Any]:
    """A copy of all that a resumed run needs, torch's global generators with it: the CPU's and the model's GPU's."""
    return {
        "model": deepcopy(learner.model.state_dict()),
        "optimizer": {"name": type(learner.optimizer).__name__, **deepcopy(learner.optimizer.state_dict())},
        "memory": None if learner.stored is None else learner.stored.state_dict(),
        "method": {name: _copy(value) for name, value in learner.state.items()},
        "steps": learner.steps,
        "generator": learner.generator.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(learner.device) if learner.device.type == "cuda" else None,
    }


def restore(learner: Saved, state: Mapping[str, Any]) -> None:
    """Put a state back; torch's global generators are set too.

    Raises:
        InputError: it is of another model, optimizer or memory; nothing was changed.
    """
    _check(learner, state)
    if learner.stored is not None:
        learner.stored.load_state_dict(state["memory"])
    learner.model.load_state_dict(state["model"])
    learner.optimizer.load_state_dict(deepcopy({k: v for k, v in state["optimizer"].items() if k != "name"}))
    learner.state = {name: _copy(value, learner.device) for name, value in state["method"].items()}
    learner.steps = state["steps"]
    learner.generator.set_state(state["generator"])
    torch.set_rng_state(state["torch"])
    if _has_cuda(learner, state):
        torch.cuda.set_rng_state(state["cuda"], learner.device)


def memory_in(state: Any) -> Any:
    """The memory's state in a learner's.

    Raises:
        InputError: it is none.
    """
    if not isinstance(state, Mapping) or "memory" not in state:
        raise InputError("this is not the state of a learner")
    return state["memory"]


def weights_in(state: Any) -> Mapping[str, Tensor] | None:
    """The model's weights in a learner's state, or in that of an agent who has one."""
    found = state.get("learner", state) if isinstance(state, Mapping) else None
    return found["model"] if isinstance(found, Mapping) and isinstance(found.get("model"), Mapping) else None


def check_model(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Refuse the weights of another model.

    Raises:
        InputError: naming the first parameter or buffer that only one of them has, or whose shape differs.
    """
    own = model.state_dict()
    for name in sorted(weights.keys() | own.keys()):
        shapes = [_kind(one[name]) if name in one else "nothing" for one in (weights, own)]
        if shapes[0] != shapes[1]:
            raise InputError(f"the saved model is another: its {name} is {shapes[0]}, here it is {shapes[1]}")


def _kind(value: Tensor) -> str:
    return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"


def _check(learner: Saved, state: Any) -> None:
    if not isinstance(state, Mapping) or not state.keys() >= PARTS:
        raise InputError("this is not the state of a learner")
    try:
        check_model(learner.model, state["model"])
        _check_optimizer(learner.optimizer, state["optimizer"])
    except (AttributeError, LookupError, TypeError) as error:
        raise InputError(f"this is not the state of a learner: {error!r}") from error
    for name in ("generator", "torch"):
        check_generator(name, state[name])
    if _has_cuda(learner, state):
        check_generator("cuda", state["cuda"], learner.device)
    if not isinstance(state["method"], Mapping) or type(state["steps"]) is not int or state["steps"] < 0:
        raise InputError("this is not the state of a learner: its method or its steps are something else")
    if (state["memory"] is None) != (learner.stored is None):
        held = "no memory" if state["memory"] is None else "a memory"
        raise InputError(f"the saved learner has {held}, unlike this one")


def _check_optimizer(own: torch.optim.Optimizer, state: Any) -> None:
    name = type(own).__name__
    if state["name"] != name:
        raise InputError(f"the saved optimizer is {state['name']}, this one {name}")
    theirs, ours = ([len(group["params"]) for group in groups] for groups in (state["param_groups"], own.param_groups))
    if theirs != ours:
        raise InputError(f"the saved {name} has groups of {theirs} parameters, this one of {ours}")
    for theirs, ours in zip(state["param_groups"], own.param_groups, strict=True):
        for setting, value in ours.items():
            if setting not in theirs or isinstance(theirs[setting], float | int) != isinstance(value, float | int):
                told = repr(theirs[setting]) if setting in theirs else "nothing"
                raise InputError(f"the saved {name} has {told:.80} as its {setting}, this one {value!r:.80}")
    parameters = dict(enumerate(parameter for group in own.param_groups for parameter in group["params"]))
    for number, notes in state["state"].items():
        if number not in parameters or not isinstance(notes, Mapping):
            raise InputError(f"the saved {name} has notes of {number!r}, which is none of its parameters")
        for what, value in notes.items() if name in ELEMENTWISE else ():
            if isinstance(value, Tensor) and value.shape not in ((), parameters[number].shape):
                shapes = f"{tuple(value.shape)}, here it is {tuple(parameters[number].shape)}"
                raise InputError(f"the saved {name} is of another model: its {what} of parameter {number} is {shapes}")


def _has_cuda(learner: Saved, state: Mapping[str, Any]) -> bool:
    """Whether there is a GPU's generator to be set; a learner may be saved on a GPU and go on without one."""
    return learner.device.type == "cuda" and state.get("cuda") is not None


def check_generator(name: str, state: Any, device: torch.device | None = None) -> None:
    """Refuse what is no generator's state, of a device's or else the CPU's.

    Raises:
        InputError: naming it.
    """
    try:
        torch.Generator(device or torch.device("cpu")).set_state(state)
    except (TypeError, RuntimeError) as error:
        raise InputError(f"this is not the state that was saved: its {name} is no generator's: {error}") from error


def _copy(value: Any, device: torch.device | None = None) -> Any:
    """A copy, on a device where given; of a point, whichever path made it, as a dict of contiguous tensors."""
    if isinstance(value, Mapping):
        return {name: _copy(part, device) for name, part in value.items()}
    if isinstance(value, Tensor):
        return value.to(device or value.device, copy=True, memory_format=torch.contiguous_format)
    return deepcopy(value)
