"""What the compiled path covers: multilayer perceptrons under plain SGD."""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import torch
from torch import Size, nn
from torch.nn.modules import module as modules
from torch.optim import SGD, Optimizer
from torch.optim import optimizer as optimizers

from everlearn.losses import chosen_huber, cross_entropy, huber, squared

LOSSES = (cross_entropy, squared, huber, chosen_huber)
DTYPES = (torch.float32, torch.float64)
LARGE = 2_000_000
"""Parameters; beyond, a method of few steps would lose more by copying them in and out than it gains."""


def objections(model: nn.Module, optimizer: Optimizer, loss: Any) -> Iterator[str]:
    """Why the compiled path does not apply, one reason after another; nothing where it does.

    The learner asks before each batch, as hooks, settings and parameters may change.

    >>> import everlearn as el
    >>> model = el.mlp([4, 3, 2])
    >>> list(objections(model, torch.optim.SGD(model.parameters()), el.cross_entropy))
    []
    >>> next(objections(model, torch.optim.Adam(model.parameters()), el.cross_entropy))
    'the optimizer is Adam, not SGD'
    """
    if loss not in LOSSES:
        yield "the loss is not everlearn's cross_entropy, squared, huber or chosen_huber"
    if any(of_model(model)):
        yield from of_model(model)
        return
    parameters = parameters_of(layers_of(model))
    if not all(parameter.requires_grad for parameter in parameters):
        yield "not all parameters are trainable"
    yield from _of_optimizer(optimizer, parameters)
    if torch.is_autocast_enabled("cpu"):
        yield "autocast is on"
    if not torch.is_grad_enabled():
        yield "gradients are disabled"


def of_model(model: nn.Module) -> Iterator[str]:
    """Why the kernel can't take a model, one reason after another; nothing where it can."""
    if type(model) is not nn.Sequential:
        yield f"the model is a {type(model).__name__}, not a Sequential of Linear and ReLU or Tanh layers"
        return
    layers = layers_of(model)
    if any(_of_layers(model, layers)):
        yield from _of_layers(model, layers)
        return
    parameters = parameters_of(layers)
    yield from _of_parameters(parameters)
    if (error := kernel_error(parameters[0].dtype)) is not None:
        yield f"numba does not work here: {error}"


def layers_of(model: nn.Module) -> list[Any]:
    """The layers of a Sequential in order, each as often as it occurs, but for a first one that flattens."""
    return list(model._modules.values())[flattens(model) :]


def flattens(model: nn.Module) -> bool:
    """Whether a Sequential begins by making one vector of each row."""
    first: Any = next(iter(model._modules.values()), None)
    return type(first) is nn.Flatten and (first.start_dim, first.end_dim) == (1, -1)


def parameters_of(layers: list[Any]) -> list[nn.Parameter]:
    """Weight and bias of every Linear among them, in order, each as often as it occurs."""
    return [layer._parameters[name] for layer in layers[::2] for name in ("weight", "bias")]


@cache
def kernel_error(dtype: torch.dtype) -> str | None:
    """What goes wrong when the kernel is imported and compiled; None where nothing does."""
    try:
        from everlearn.fast import kernel  # noqa: PLC0415

        kernel.compiled(dtype)
    except Exception as error:  # Whatever it is, the readable path works.
        return f"{type(error).__name__}: {error}"
    return None


def _of_layers(model: nn.Module, layers: list[Any]) -> Iterator[str]:
    kinds = [type(layer) for layer in layers]
    if len(kinds) % 2 == 0 or set(kinds[::2]) != {nn.Linear}:
        yield "the model's layers are not Linear, with an activation between each two"
        return
    if len(kinds) > 1 and set(kinds[1::2]) not in ({nn.ReLU}, {nn.Tanh}):
        yield "the model's activations are not all ReLU or all Tanh"
    if any(layer._parameters.get("bias", layer) is None for layer in layers[::2]):
        yield "a layer has no bias"
    everything: list[Any] = list(model._modules.values())
    if model._parameters or any(
        layer._modules or list(layer._parameters) != (["weight", "bias"] if type(layer) is nn.Linear else [])
        for layer in everything
    ):
        yield "the model has parameters that are not its layers' weight and bias, in this order"
    if any(map(_is_hooked, (model, *everything))) or any(_GLOBAL_HOOKS):
        yield "the model has hooks or is compiled"


_GLOBAL_HOOKS = (
    modules._global_forward_hooks,
    modules._global_forward_pre_hooks,
    modules._global_backward_hooks,
    modules._global_backward_pre_hooks,
)


def _is_hooked(module: nn.Module) -> bool:
    """Whether calling the module runs anything but its class's forward."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or module._compiled_call_impl
        or "forward" in module.__dict__
    )


def _of_parameters(parameters: list[nn.Parameter]) -> Iterator[str]:
    dtype = parameters[0].dtype
    if dtype not in DTYPES:
        yield f"the parameters are {dtype}, not float32 or float64"
    if any(parameter.dtype is not dtype for parameter in parameters):
        yield "the parameters are not all of one dtype"
    for parameter in parameters:
        yield from _of_parameter(parameter)
    if not _fit([parameter.shape for parameter in parameters]):
        yield "the shapes of the model's parameters do not fit"
    elif _overlap(parameters):
        yield "parameters are tied, share memory or have gaps in it"
    if sum(parameter.numel() for parameter in parameters) > LARGE:
        yield f"the model has more than {LARGE:,} parameters"


def _of_parameter(parameter: nn.Parameter) -> Iterator[str]:
    if type(parameter) is not nn.Parameter:
        yield f"a parameter is a {type(parameter).__name__}"
    if not parameter.is_cpu:
        yield f"the model is on {parameter.device}, not on the CPU"
    if parameter._backward_hooks or parameter._post_accumulate_grad_hooks:
        yield "a parameter has hooks"


def _fit(shapes: list[Size]) -> bool:
    """Whether each bias is as long as its weight has rows, and the next weight has as many columns."""
    weights, biases = shapes[::2], shapes[1::2]
    return all(weight[:1] == bias for weight, bias in zip(weights, biases, strict=True)) and all(
        weight[1:] == bias for weight, bias in zip(weights[1:], biases, strict=False)
    )


def _overlap(parameters: list[nn.Parameter]) -> bool:
    """Whether two parameters, or two elements of one, are in the same place."""
    places = sorted((parameter.data_ptr(), parameter.nbytes) for parameter in parameters)
    return any(start + size > following for (start, size), (following, _) in pairwise(places)) or any(
        not (parameter.is_contiguous() or parameter.t().is_contiguous()) for parameter in parameters
    )


def _of_optimizer(optimizer: Optimizer, parameters: list[nn.Parameter]) -> Iterator[str]:
    if type(optimizer) is not SGD:
        yield f"the optimizer is {type(optimizer).__name__}, not SGD"
        return
    group = optimizer.param_groups[0]
    for setting in ("momentum", "dampening", "weight_decay", "nesterov", "maximize", "differentiable"):
        if group[setting]:
            yield f"the optimizer has {setting}={group[setting]}"
    held = [id(parameter) for one in optimizer.param_groups for parameter in one["params"]]
    if len(optimizer.param_groups) > 1 or sorted(held) != sorted(map(id, parameters)):
        yield "the optimizer does not hold the model's parameters, all and only, in one group"
    # A learning rate scheduler puts a wrapper, that counts, around the class's own step.
    step = optimizer.__dict__.get("step")
    if "zero_grad" in optimizer.__dict__ or not (step is None or getattr(step, "__wrapped__", step) is SGD.step):
        yield "the optimizer's step was replaced"
    if (
        optimizer._optimizer_step_pre_hooks
        or optimizer._optimizer_step_post_hooks
        or optimizers._global_optimizer_pre_hooks
        or optimizers._global_optimizer_post_hooks
    ):
        yield "the optimizer has hooks"
