"""The outer step by its formulas, each named form; and what it must not lose."""

from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import everlearn as el
from everlearn import OuterStep, weights
from everlearn.batches import join, rows


def model_of(seed=0, dtype=torch.float64):
    return el.mlp([3, 5, 2], seed=seed).to(dtype)


def wander(model, chance):
    """A step of some optimizer."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=chance, dtype=torch.float64))


@settings(max_examples=20)
@given(every=st.integers(2, 4), rate=st.floats(0.01, 1.5), seed=st.integers(0, 99))
def test_reptile_is_what_move_from_does(every, rate, seed):
    model, chance = model_of(), torch.Generator().manual_seed(seed)
    twin = deepcopy(model)
    outer = OuterStep.reptile(model.parameters(), every, rate)
    for _ in range(2):
        start = weights.snapshot(twin)
        for step in range(every):
            state = chance.get_state()
            wander(model, chance)
            chance.set_state(state)
            wander(twin, chance)
            assert outer.step() == (step == every - 1)
        weights.move_from(twin, start, rate)
        for ours, plain in zip(model.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
    assert outer.taken == 2 * every


def formula(name, rate, momentum):
    """One slow number's steps, written out; of one process, so that a mean is the number itself."""
    slow, velocity = 1.0, 0.0

    def step(fast):
        nonlocal slow, velocity
        if name in ("snoo", "diloco"):
            velocity = momentum * velocity + (slow - fast)
            slow -= rate * (slow - fast + momentum * velocity)
        elif name == "local_sgd":
            slow = fast
        else:
            slow += rate * (fast - slow)
        return slow

    return step


NAMED = {
    "reptile": lambda p: OuterStep.reptile(p, 2, 0.3),
    "lookahead": lambda p: OuterStep.lookahead(p, 2, 0.3),
    "snoo": lambda p: OuterStep.snoo(p, 2, 0.3, 0.8),
    "local_sgd": lambda p: OuterStep.local_sgd(p, 2),
    "batched_reptile": lambda p: OuterStep.batched_reptile(p, 2, 0.3),
    "diloco": lambda p: OuterStep.diloco(p, 2, 0.3, 0.8),
}


@pytest.fixture
def alone(tmp_path):
    """One process that is a group."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("name", NAMED)
def test_each_named_form_is_its_formula(name, alone):
    weight = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    outer, expected = NAMED[name]([weight]), formula(name, 0.3, 0.8)
    for moves in ([0.5, 1.25], [-2.0, 0.75], [1.0, 1.0], [0.0, -0.5]):
        for move in moves:
            weight.data += move
            fast = weight.item()
            outer.step()
        assert weight.item() == pytest.approx(expected(fast), abs=1e-14)


@pytest.mark.parametrize("s", [1, 3])
def test_two_of_them_nested_are_mer(s, make_learner, toy):
    k, beta, gamma = 4, 0.3, 0.6
    mer = make_learner(el.MER(batches=s, replayed=k, beta=beta, gamma=gamma))
    plain = make_learner(el.Online())
    for row in toy(k, seed=1):
        mer.memory.add(row)
        plain.memory.add(row)
    within = OuterStep.reptile(plain.model.parameters(), 1 + k, beta)
    across = OuterStep(plain.model.parameters(), s, lambda slow: torch.optim.SGD(slow, lr=gamma))
    for row in toy(6):
        mer.learn(row)
        for _ in range(s):
            for one in rows(join(row, plain.memory.sample(k))):
                plain.optimizer.zero_grad()
                nn.functional.cross_entropy(plain.model(one["x"]), one["y"]).backward()
                plain.optimizer.step()
                if within.step() and across.step():
                    within.restart()
        plain.memory.add(row)
        for ours, theirs in zip(mer.model.parameters(), plain.model.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_only_what_is_trainable_moves_and_what_is_tied_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.frozen = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)
            self.b.weight = self.a.weight
            self.frozen.requires_grad_(False)
            self.norm = nn.BatchNorm1d(2)

    model = Tied()
    outer = OuterStep.reptile(model.named_parameters(remove_duplicate=False), 2, 0.5)
    assert outer.state_dict()["slow"].keys() == {"a.weight", "a.bias", "b.bias", "norm.weight", "norm.bias"}
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        for value in (*model.parameters(), model.norm.running_mean):
            value.add_(1)
    assert [outer.step(), outer.step()] == [False, True]
    for name, value in model.state_dict().items():
        moved = 1.0 if name.startswith("frozen") or name == "norm.running_mean" else 0.5
        if name not in ("norm.running_var", "norm.num_batches_tracked"):
            torch.testing.assert_close(value, before[name] + moved)


class Masters:
    """How bfloat16 is trained: the optimizer steps on float32 masters, and copies them over the weights."""

    def __init__(self, weights):
        self.weights = [*weights]
        self.masters = [weight.detach().float().requires_grad_() for weight in self.weights]
        self.optimizer = torch.optim.AdamW(self.masters, lr=0.01)

    def step(self):
        for weight, master in zip(self.weights, self.masters, strict=True):
            master.grad = weight.grad.float()
        self.optimizer.step()
        self.copy()

    @torch.no_grad()
    def copy(self):
        for weight, master in zip(self.weights, self.masters, strict=True):
            weight.copy_(master)


@pytest.mark.parametrize("given_masters", [True, False], ids=["of the masters", "of the weights, as published"])
def test_the_step_is_still_there_after_the_optimizers_next_one(given_masters):
    """As published (Abbes et al.'s code), the weights are interpolated, and the next step undoes it."""
    model = model_of(dtype=torch.bfloat16)
    trained = Masters(model.parameters())
    start = [master.clone() for master in trained.masters]
    outer = OuterStep.reptile(trained.masters if given_masters else model.parameters(), 5, 0.01)

    def distance():
        pairs = zip(model.parameters(), start, strict=True)
        return sum((weight.detach().float() - begun).square().sum().item() for weight, begun in pairs) ** 0.5

    x, found = torch.randn(64, 3, generator=torch.Generator().manual_seed(0)).bfloat16(), []
    for _ in range(6):
        model.zero_grad()
        model(x).square().mean().backward()
        trained.step()
        if outer.step():
            trained.copy() if given_masters else None
        found.append(distance())
    assert found[4] < 0.1 * found[3]
    assert (found[5] < 0.5 * found[3]) == given_masters


def test_small_moves_of_half_precision_add_up():
    weight = nn.Parameter(torch.ones(1, dtype=torch.bfloat16))
    outer = OuterStep.reptile([weight], 2, 0.1)
    for _ in range(40):
        weight.data += 2**-7
        outer.step()
        outer.step()
    assert outer.state_dict()["slow"]["0"].dtype == torch.float32
    assert weight.item() > 1.02


@pytest.mark.parametrize("optimizer", [None, torch.optim.Adam], ids=["snoo", "adam"])
@pytest.mark.parametrize("done", [0, 1, 2, 5])
def test_a_resumed_run_is_an_unbroken_one(optimizer, done):
    def begin():
        model = model_of()
        make = optimizer and (lambda slow: optimizer(slow, lr=0.1))
        outer = OuterStep(model.named_parameters(), 2, make) if make else OuterStep.snoo(model.named_parameters(), 2)
        return model, outer, torch.Generator().manual_seed(3)

    def go(model, outer, chance, steps):
        for _ in range(steps):
            wander(model, chance)
            outer.step()

    unbroken = begin()
    go(*unbroken, 7)
    first = begin()
    go(*first, done)
    saved = deepcopy((first[0].state_dict(), first[1].state_dict(), first[2].get_state()))
    model, outer, chance = begin()
    model.load_state_dict(saved[0])
    outer.load_state_dict(saved[1])
    chance.set_state(saved[2])
    go(model, outer, chance, 7 - done)
    for ours, plain in zip(model.parameters(), unbroken[0].parameters(), strict=True):
        assert torch.equal(ours, plain)


def snoo_after(steps):
    """A number's outer steps with momentum, and the number."""
    weight = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    outer = OuterStep.snoo([weight], 2)
    for _ in range(steps):
        weight.data += 1
        outer.step()
    return outer, weight


def test_going_back_to_before_the_first_outer_step_forgets_the_momentum_since():
    outer, weight = snoo_after(1)
    state, begun = deepcopy(outer.state_dict()), weight.clone()
    for _ in range(5):
        weight.data += 1
        outer.step()
    outer.load_state_dict(state)
    weight.data.copy_(begun)
    weight.data += 1
    outer.step()
    assert torch.equal(weight, snoo_after(2)[1])


def test_a_state_is_gone_on_with_by_the_settings_of_who_loads_it():
    weights = [nn.Parameter(torch.ones(1)) for _ in range(2)]
    saved, outer = OuterStep.reptile(weights[:1], 3, 0.5), OuterStep.reptile(weights[1:], 2, 0.25)
    outer.load_state_dict(saved.state_dict())
    for _ in range(2):
        weights[1].data += 2
        outer.step()
    assert weights[1].item() == 2.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {}, "this is not the state of an OuterStep: it lacks taken"),
        (lambda s: None, "this is not the state of an OuterStep"),
        (lambda s: s | {"taken": -3}, "not the state of an OuterStep: -3 steps"),
        (lambda s: s | {"outer": {}}, "its outer optimizer's is missing"),
        (lambda s: s | {"slow": {"0": torch.tensor([torch.nan])}}, "the saved 0 holds NaN"),
        (lambda s: s | {"slow": {"1": torch.ones(1)}}, "of another model: 0 is nothing, here it is"),
        (
            lambda s: OuterStep.reptile([torch.ones(1).requires_grad_()], 2, 0.5).state_dict(),
            "outer optimizer is another",
        ),
        (lambda s: s | {"outer": {"state": {0: {"momentum_buffer": 3}}}}, "momentum_buffer is a int"),
    ],
)
def test_a_state_that_is_none_changes_nothing(change, message):
    outer, _ = snoo_after(5)
    before = deepcopy(outer.state_dict())
    with pytest.raises(el.InputError, match=message):
        outer.load_state_dict(change(deepcopy(before)))
    assert str(outer.state_dict()) == str(before)


def test_that_nothing_moves_is_told():
    model = model_of()
    outer = OuterStep.reptile(model.parameters(), 2, 0.5)
    wander(model, torch.Generator())
    assert [outer.step(), outer.step(), outer.step()] == [False, True, False]
    with pytest.warns(UserWarning, match="no parameter moved in 2 steps"):
        outer.step()


def test_what_can_not_be_is_refused():
    model = model_of()
    with pytest.raises(el.InputError, match="every must be at least 2"):
        OuterStep.reptile(model.parameters(), 1, 0.1)
    with pytest.raises(el.InputError, match="rate must be"):
        OuterStep.lookahead(model.parameters(), 5, 0.0)
    with pytest.raises(el.InputError, match="no processes to average over"):
        OuterStep.diloco(model.parameters())
    other = OuterStep.reptile(el.mlp([3, 4, 2]).named_parameters(), 2, 0.1).state_dict()
    outer = OuterStep.reptile(model.named_parameters(), 2, 0.1)
    with pytest.raises(el.InputError, match=r"of another model: .*bias is \(4,\), here it is \(5,\)"):
        outer.load_state_dict(other)
    with pytest.raises(el.InputError, match="two parameters have one name"):
        OuterStep.reptile([*model.named_parameters(), *model_of(1).named_parameters()], 2, 0.1)
    model.requires_grad_(False)
    with pytest.raises(el.InputError, match="nothing to train"):
        OuterStep.reptile(model.parameters(), 2, 0.1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda model, optimizer: model, "not Sequential"),
        (lambda model, optimizer: optimizer, "not SGD"),
        (lambda model, optimizer: optimizer.param_groups, "not list"),
        (lambda model, optimizer: model.state_dict(), "not OrderedDict"),
        (lambda model, optimizer: model[0].weight, "not Parameter"),
        (lambda model, optimizer: None, "not NoneType"),
        (lambda model, optimizer: iter(()), "there are no parameters"),
        (lambda model, optimizer: model.to("meta").parameters(), "on the meta device"),
    ],
)
def test_what_is_no_parameter_is_refused(given, message):
    model = model_of()
    with pytest.raises(el.InputError, match=message):
        OuterStep.reptile(given(model, torch.optim.SGD(model.parameters(), lr=1.0)), 2, 0.1)


def test_an_outer_optimizer_of_something_else_is_refused():
    model = model_of()
    with pytest.raises(el.InputError, match="of all tensors that it is given, and of no others"):
        OuterStep(model.parameters(), 2, lambda slow: torch.optim.SGD(model.parameters(), lr=1.0))
    with pytest.raises(el.InputError, match="must make a torch optimizer"):
        OuterStep(model.parameters(), 2, lambda slow: None)


def test_an_outer_optimizer_may_go_by_shape():
    model = nn.Linear(4, 3, bias=False)
    outer = OuterStep(model.named_parameters(), 2, lambda slow: torch.optim.Muon(slow, lr=0.1))
    again = OuterStep(model.named_parameters(), 2, lambda slow: torch.optim.Muon(slow, lr=0.1))
    again.load_state_dict(outer.state_dict())
    for one in (outer, again):
        wander(model, torch.Generator())
        one.step()
        one.step()
    assert outer.state_dict()["outer"]["state"].keys() == again.state_dict()["outer"]["state"].keys() != set()


def test_a_parameter_that_was_freed_is_refused():
    model = model_of()
    outer = OuterStep.reptile(model.named_parameters(), 1 + 1, 0.1)
    before = outer.state_dict()["slow"]["0.weight"].clone()
    wander(model, torch.Generator())
    outer.step()
    model[0].bias.untyped_storage().resize_(0)
    with pytest.raises(el.InputError, match=r"parameter 0.bias was freed"):
        outer.step()
    assert torch.equal(outer.state_dict()["slow"]["0.weight"], before)
    assert outer.taken == 1


@pytest.mark.parametrize("note", ["ds_id", "_hp_mapping"])
def test_parameters_that_zero_has_taken_over_are_refused(note):
    weight = nn.Parameter(torch.ones(1))
    setattr(weight, note, object())
    with pytest.raises(el.InputError, match="these parameters are DeepSpeed's"):
        OuterStep.reptile([weight], 2, 0.1)
