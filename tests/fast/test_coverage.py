"""What is not covered runs on the readable path, and `learner.path` says why."""

import subprocess
import sys
from functools import partial
from types import MethodType

import pytest
import torch
from torch import nn
from torch.optim import optimizer as optimizers

import everlearn as el
from everlearn.fast import kernel
from everlearn.fast.coverage import kernel_error

SGD = torch.optim.SGD


def two_layers(activation):
    return nn.Sequential(nn.Linear(3, 5), activation, nn.Linear(5, 4)).double()


def tied():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 4)).double()
    model[2].weight = model[0].weight
    return model


def frozen():
    model = two_layers(nn.ReLU())
    model[0].requires_grad_(False)
    return model


def own_kind():
    return type("Own", (nn.Sequential,), {})(nn.Linear(3, 4)).double()


def of(*layers):
    return lambda: nn.Sequential(*layers).double()


def after(change):
    def make():
        model = two_layers(nn.ReLU())
        change(model)
        return model

    return make


def parameter(*shape):
    return nn.Parameter(torch.ones(shape).double())


def sharing():
    """Two weights over one buffer."""
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 4)).double()
    buffer = torch.randn(9).double()
    for layer in (model[0], model[2]):
        layer.weight = nn.Parameter(buffer.view(3, 3))
    return model


def same_layer_twice():
    layer = nn.Linear(3, 3)
    return nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), nn.Linear(3, 4)).double()


def ignore(*_):
    pass


def derive_a_weight(model):
    """As old-style parametrizations do."""
    del model[0].weight
    model[0].raw = parameter(5, 3)
    model[0].weight = model[0].raw * 2


def hooked(layer):
    layer.register_forward_hook(ignore)
    return nn.Sequential(layer, nn.Linear(3, 4)).double()


class OwnParameter(nn.Parameter):
    pass


OTHERS = "parameters that are not its layers' weight and bias, in this order"
SHARED = "parameters are tied, share memory or have gaps in it"
HOOKED = "the model has hooks or is compiled"
MODELS = {
    "is a Linear": ("the model is a Linear, not a Sequential", lambda: nn.Linear(3, 4).double()),
    "is a subclass": ("the model is a Own, not a Sequential", own_kind),
    "ends in dropout": ("the model's layers are not Linear, with", of(nn.Linear(3, 4), nn.Dropout())),
    "ends in ReLU": ("an activation between each two", of(nn.Linear(3, 4), nn.ReLU())),
    "ends in no Linear": ("an activation between each two", of(nn.Linear(3, 4), nn.ReLU(), nn.Flatten())),
    "flattens less": ("the model's layers are not Linear, with", of(nn.Flatten(1, 1), nn.Linear(3, 4))),
    "flattens twice": ("the model's layers are not Linear, with", of(nn.Flatten(), nn.Flatten(), nn.Linear(3, 4))),
    "has a hook where it flattens": (HOOKED, lambda: hooked(nn.Flatten())),
    "has GELU": ("not all ReLU or all Tanh", lambda: two_layers(nn.GELU())),
    "has no bias": ("a layer has no bias", of(nn.Linear(3, 4, bias=False))),
    "has a parameter of its own": (OTHERS, after(lambda model: model.register_parameter("own", parameter(7)))),
    "has a parameter in a layer": (OTHERS, after(lambda model: model[1].register_parameter("own", parameter(5, 5)))),
    "has a module in a Linear": (OTHERS, after(lambda model: model[0].add_module("own", nn.Linear(2, 2).double()))),
    "has a module in a ReLU": (OTHERS, after(lambda model: model[1].add_module("own", nn.Linear(2, 2).double()))),
    "has a derived weight": (OTHERS, after(derive_a_weight)),
    "is parametrized": ("not Linear", after(lambda model: nn.utils.parametrizations.weight_norm(model[0]))),
    "has a forward hook": (HOOKED, after(lambda model: model[1].register_forward_hook(ignore))),
    "has a forward pre-hook": (HOOKED, after(lambda model: model.register_forward_pre_hook(ignore))),
    "has another forward": (HOOKED, after(lambda model: setattr(model[1], "forward", torch.relu))),
    "has a hook on a parameter": ("a parameter has hooks", after(lambda model: model[0].weight.register_hook(ignore))),
    "has a hook after a gradient": (
        "a parameter has hooks",
        after(lambda model: model[0].weight.register_post_accumulate_grad_hook(ignore)),
    ),
    "has a parameter of one's own kind": (
        "a parameter is a OwnParameter",
        after(lambda model: setattr(model[0], "bias", OwnParameter(torch.ones(5).double()))),
    ),
    "is partly frozen": ("not all parameters are trainable", frozen),
    "has tied weights": (SHARED, tied),
    "has a layer twice": (SHARED, same_layer_twice),
    "has weights over one buffer": (SHARED, sharing),
    "has gaps in a bias": (
        SHARED,
        after(lambda model: setattr(model[0], "bias", nn.Parameter(torch.ones(10).double()[::2]))),
    ),
    "has gaps in a weight": (
        SHARED,
        after(lambda model: setattr(model[0], "weight", nn.Parameter(torch.ones(10, 6).double()[::2, ::2]))),
    ),
    "is float16": ("float16, not float32 or float64", lambda: two_layers(nn.ReLU()).half()),
    "is large": ("more than 2,000,000 parameters", of(nn.Linear(3, 300_000), nn.ReLU(), nn.Linear(300_000, 4))),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_model_that(case):
    why, make = MODELS[case]
    model = make()
    dtype = next(model.parameters()).dtype
    learner = el.Learner(
        model, SGD([p for p in model.parameters() if p.requires_grad], lr=0.1), el.cross_entropy, method=el.Online()
    )
    assert learner.path.startswith("readable: ")
    assert why in learner.path
    learner.learn((torch.randn(1, 3, dtype=dtype), torch.tensor([1])))
    assert learner.steps == 1


def with_pre_hook(sgd):
    sgd.register_step_pre_hook(lambda *_: None)
    return sgd


def with_own_step(sgd):
    sgd.step = partial(SGD.step, sgd)
    return sgd


def with_own_step_and_schedule(sgd):
    sgd.step = MethodType(lambda self, closure=None: SGD.step(self, closure), sgd)
    torch.optim.lr_scheduler.StepLR(sgd, 10)
    return sgd


def with_own_zero_grad(sgd):
    sgd.zero_grad = partial(SGD.zero_grad, sgd)
    return sgd


REPLACED = "the optimizer's step was replaced"
OPTIMIZERS = {
    "Adam": ("the optimizer is Adam", torch.optim.Adam),
    "momentum": ("momentum=0.9", lambda p: SGD(p, lr=0.1, momentum=0.9)),
    "dampening": ("dampening=0.5", lambda p: SGD(p, lr=0.1, dampening=0.5)),
    "decay": ("weight_decay=0.1", lambda p: SGD(p, lr=0.1, weight_decay=0.1)),
    "maximize": ("maximize=True", lambda p: SGD(p, lr=0.1, maximize=True)),
    "two groups": (
        "all and only, in one group",
        lambda p: SGD([{"params": p[:2]}, {"params": p[2:], "lr": 0.2}], lr=0.1),
    ),
    "some parameters": ("does not hold the model's parameters", lambda p: SGD(p[2:], lr=0.1)),
    "hooks": ("the optimizer has hooks", lambda p: with_pre_hook(SGD(p, lr=0.1))),
    "own step": (REPLACED, lambda p: with_own_step(SGD(p, lr=0.1))),
    "own step under a schedule": (REPLACED, lambda p: with_own_step_and_schedule(SGD(p, lr=0.1))),
    "own zero_grad": (REPLACED, lambda p: with_own_zero_grad(SGD(p, lr=0.1))),
}


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_optimizers(make_learner, toy, case):
    why, make = OPTIMIZERS[case]
    model = two_layers(nn.ReLU())
    learner = make_learner(el.MER(), model=model, optimizer=make(list(model.parameters())))
    assert why in learner.path
    learner.learn(toy(1)[0])


def test_settings_that_need_others_or_cannot_step_twice(make_learner):
    learner = make_learner(el.Online())
    for setting in ("nesterov", "differentiable"):
        learner.optimizer.param_groups[0][setting] = True
        assert learner.path == f"readable: the optimizer has {setting}=True"
        learner.optimizer.param_groups[0][setting] = False
    assert learner.path == "compiled"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda model: model[2].float(), "the parameters are not all of one dtype"),
        (lambda model: setattr(model[2], "weight", parameter(4, 6)), "the shapes of the model's parameters do not fit"),
        (lambda model: setattr(model[0], "bias", parameter(4)), "the shapes of the model's parameters do not fit"),
        (lambda model: model.to("meta"), "the model is on meta, not on the CPU"),
    ],
)
def test_models_on_which_torch_would_fail(make_learner, change, why):
    learner = make_learner(el.Online(), model=after(change)())
    assert learner.path == f"readable: {why}"


def test_hooks_of_the_optimizer(make_learner, toy):
    learner = make_learner(el.Online())
    calls = []
    learner.optimizer.register_step_post_hook(lambda *_: calls.append(1))
    learner.learn(toy(1)[0])
    assert learner.path == "readable: the optimizer has hooks"
    assert calls == [1]


def test_losses_forward_and_step_of_ones_own(make_learner):
    def own(output, batch):
        return el.cross_entropy(output, batch)

    assert make_learner(el.Online(), loss=own).path == (
        "readable: the loss is not everlearn's cross_entropy, squared, huber or chosen_huber"
    )
    assert make_learner(el.Online(), forward=lambda model, batch: model(batch["x"])).path == (
        "readable: forward= is one's own"
    )
    assert make_learner(el.Online(), step=lambda loss: None).path == "readable: step= is one's own"


def test_autocast(make_learner):
    learner = make_learner(el.Online())
    with torch.autocast("cpu"):
        assert learner.path == "readable: autocast is on"
    assert learner.path == "compiled"


def test_without_gradients(make_learner):
    learner = make_learner(el.Online())
    with torch.no_grad():
        assert learner.path == "readable: gradients are disabled"
    with torch.inference_mode():
        assert learner.path == "readable: gradients are disabled"


@pytest.mark.parametrize(
    ("register", "why"),
    [
        (nn.modules.module.register_module_forward_hook, "the model has hooks or is compiled"),
        (nn.modules.module.register_module_forward_pre_hook, "the model has hooks or is compiled"),
        (nn.modules.module.register_module_full_backward_hook, "the model has hooks or is compiled"),
        (nn.modules.module.register_module_full_backward_pre_hook, "the model has hooks or is compiled"),
        (optimizers.register_optimizer_step_pre_hook, "the optimizer has hooks"),
        (optimizers.register_optimizer_step_post_hook, "the optimizer has hooks"),
    ],
)
def test_global_hooks(make_learner, register, why):
    learner = make_learner(el.Online())
    handle = register(lambda *_: None)
    assert learner.path == f"readable: {why}"
    handle.remove()
    assert learner.path == "compiled"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_model_whose_parts_were_compiled_or_have_backward_hooks(make_learner):
    learner = make_learner(el.Online())
    handle = learner.model[0].register_full_backward_hook(lambda *_: None)
    assert "has hooks" in learner.path
    handle.remove()
    handle = learner.model[0].register_full_backward_pre_hook(lambda *_: None)
    assert "has hooks" in learner.path
    handle.remove()
    assert learner.path == "compiled"
    learner.model.compile()
    assert "is compiled" in learner.path


def test_rows_that_want_gradients_of_their_own(make_learner, toy):
    """Such as an input that is itself trained: autograd does that."""
    x = toy(1)[0]["x"].requires_grad_()
    make_learner(lambda learner, batch: learner.descend_each({"x": x, "y": batch["y"]})).learn(toy(1)[0])
    assert x.grad is not None


def test_weights_of_rows_that_want_gradients(make_learner, toy):
    weight = torch.ones(1, requires_grad=True)
    learner = make_learner(lambda learner, batch: learner.descend_each(batch, weight))
    learner.learn(toy(1)[0])
    assert weight.grad is not None
    assert learner.path.endswith("not on the CPU, sparse or with gradients")


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ({"x": torch.ones(1, 3).double(), "y": torch.ones(1, 4)}, "the rows' targets are not float64 of shape (4,)"),
        ({"x": torch.ones(1, 2, 3).double(), "y": torch.ones(1, 2, 4).double()}, "the rows' x are not float64 of"),
    ],
)
def test_the_path_tells_of_rows_that_were_not_covered(make_learner, rows, why):
    learner = make_learner(el.Reptile(), loss=el.squared)
    assert learner.path == "compiled"
    learner.learn(rows)
    assert learner.path.startswith(f"readable: {why}")
    learner.learn({"x": torch.ones(1, 3).double(), "y": torch.ones(1, 4).double()})
    assert learner.path == "compiled"


def test_on_another_default_device_it_is_the_same(make_learner, toy):
    learner = make_learner(el.Reptile())
    kernel_error.cache_clear()
    kernel.compiled.cache_clear()
    with torch.device("meta"):
        assert learner.path == "compiled"


def test_batches_that_are_not_plain_are_learned_by_the_readable_path(make_learner):
    """Images of two dimensions go through a Sequential too, where its Linear takes the last one."""
    learner = make_learner(el.Online())
    readable = make_learner(el.Online(), forward=lambda model, batch: model(batch["x"]).clone())
    for one in (learner, readable):
        one.loss = el.squared
        one.learn({"x": torch.ones(1, 2, 3).double(), "y": torch.ones(1, 2, 4).double()})
    assert torch.equal(learner.model[0].weight, readable.model[0].weight)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"y": torch.tensor([0, 1])},
        {"y": torch.tensor([[0], [1], [2]])},
        {"y": torch.tensor([0.0, 1.0, 2.0])},
        {"x": torch.zeros(3, 2).double()},
        {"weight": torch.ones(2)},
    ],
    ids=["too few labels", "columns of labels", "labels that are floats", "too few inputs", "too few weights"],
)
def test_what_a_method_gets_wrong_never_reaches_the_kernel(make_learner, toy, spoilt):
    good = {name: torch.cat([row[name] for row in toy(3)]) for name in ("x", "y")}

    def method(learner, _):
        batch = good | spoilt
        return learner.descend_each({name: batch[name] for name in ("x", "y")}, batch.get("weight"))

    compiled = make_learner(method)
    readable = make_learner(method, forward=lambda model, batch: model(batch["x"]))
    for learner in (compiled, readable):
        with pytest.raises((el.InputError, ValueError, RuntimeError)):
            learner.learn(good)
    assert all(map(torch.equal, compiled.model.parameters(), readable.model.parameters()))


def test_without_numba_all_works_and_the_path_says_so():
    program = """
import sys
sys.modules["numba"] = None
import torch, everlearn as el
model = el.mlp([3, 4])
learner = el.Learner(model, torch.optim.SGD(model.parameters(), 0.1), el.cross_entropy, method=el.Online())
learner.learn((torch.zeros(1, 3), torch.tensor([1])))
print(learner.path)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("readable: numba does not work here: ModuleNotFoundError")


def test_numba_is_imported_at_first_use():
    program = "import sys, everlearn; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
