"""GEM's projection against what defines it, and its steps by hand."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

import everlearn as el
from everlearn.methods.gem import project
from everlearn.weights import flat


def weights(learner):
    return torch.nn.utils.parameters_to_vector(learner.model.parameters()).detach().clone()


def drawn(seed, tasks, size=12):
    chance = torch.Generator().manual_seed(seed)
    gradient = torch.randn(size, generator=chance, dtype=torch.float64)
    constraints = torch.randn(tasks, size, generator=chance, dtype=torch.float64)
    return gradient, constraints * torch.rand(tasks, 1, generator=chance, dtype=torch.float64)


@given(st.integers(0, 10_000), st.integers(1, 8))
def test_without_strength_it_is_the_nearest_gradient_that_opposes_none(seed, tasks):
    gradient, constraints = drawn(seed, tasks)
    moved = project({"w": gradient}, constraints, 0.0)["w"]
    assert (constraints @ moved > -1e-6).all()
    g, c = gradient.numpy(), constraints.numpy()
    best = minimize(
        lambda z: ((z - g) ** 2).sum(),
        g,
        jac=lambda z: 2 * (z - g),
        constraints={"type": "ineq", "fun": lambda z: c @ z, "jac": lambda _: c},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    np.testing.assert_allclose(moved.numpy(), best.x, atol=1e-4)


@given(st.integers(0, 10_000), st.integers(1, 8), st.sampled_from([0.1, 0.5, 1.0]))
def test_with_strength_it_meets_the_conditions_of_the_dual(seed, tasks, strength):
    """Karush, Kuhn and Tucker's: v ≥ strength; the dual's slope is 0 where v is more, and not below 0 elsewhere."""
    gradient, constraints = drawn(seed, tasks)
    moved = project({"w": gradient}, constraints, strength)["w"]
    if not (constraints @ gradient < 0).any():
        assert moved is gradient
        return
    multipliers = torch.linalg.lstsq(constraints.T, (moved - gradient)[:, None]).solution[:, 0]
    slope, tolerance = constraints @ moved, 1e-4
    assert (multipliers > strength - tolerance).all()
    assert (slope > -tolerance).all()
    assert (slope[multipliers > strength + 0.01].abs() < 0.01).all()


def test_one_constraint_by_hand():
    """g = (1, −1), c = (0, 2): g·c = −2, c·c = 4, so v = ½ and g̃ = (1, 0); with strength 1 it is (1, 1)."""
    gradient, constraint = {"w": torch.tensor([1.0, -1.0])}, torch.tensor([[0.0, 2.0]])
    torch.testing.assert_close(project(gradient, constraint, 0.0)["w"], torch.tensor([1.0, 0.0]), atol=1e-5, rtol=0)
    torch.testing.assert_close(project(gradient, constraint, 1.0)["w"], torch.tensor([1.0, 1.0]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-6, 1e6])
def test_constraints_that_vanish_repeat_or_tower_do_no_harm(scale):
    gradient = {"w": torch.tensor([1.0, -1.0, 0.5])}
    one = torch.tensor([0.0, 2.0, 0.0])
    constraints = torch.stack([one, one, one * (1 + 1e-7), torch.tensor([0.0, 1.0, 0.0]) * scale])
    moved = project(gradient, constraints, 0.0)["w"]
    torch.testing.assert_close(moved, torch.tensor([1.0, 0.0, 0.5]), atol=1e-4, rtol=0)


def test_a_failure_of_the_solver_is_an_error_with_the_task_and_the_condition(make_learner, toy, monkeypatch):
    def gives_up(*_):
        raise RuntimeError("Maximum number of iterations reached.")

    monkeypatch.setattr("scipy.optimize.nnls", gives_up)
    learner = make_learner(el.GEM(), memory=el.Ring(20, tasks=2))
    with pytest.raises(el.InputError, match=r"at task \d, the gradient could not .* .Maximum number.*condition"):
        all(learner.learn(row) for row in toy(200))


@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-5, 1e-3])
def test_a_hundred_constraints_that_nearly_repeat_each_other_do_no_harm(noise):
    for seed in range(5):
        chance = torch.Generator().manual_seed(seed)
        one = torch.randn(1, 5000, generator=chance)
        constraints = one + noise * torch.randn(100, 5000, generator=chance)
        moved = project({"w": -one[0]}, constraints, 0.0)["w"]
        assert (constraints @ moved).min() > -1e-3 * one.square().sum()


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_a_gradient_that_is_not_finite_is_never_passed_over(broken):
    gradient, constraints = {"w": torch.tensor([1.0, -1.0])}, torch.tensor([[0.0, -2.0], [broken, 2.0]])
    with pytest.raises(el.Diverged, match="a gradient is infinite or NaN: no step was taken"):
        project(gradient, constraints, 0.0)
    with pytest.raises(el.Diverged, match="infinite or NaN"):
        project({"w": torch.tensor([1.0, broken])}, torch.ones(1, 2), 0.0)


def test_gem_in_its_first_task_is_online_learning(make_learner, toy):
    gem, online = make_learner(el.GEM(), memory=el.Ring(20, tasks=2)), make_learner(el.Online())
    for row in toy(12)[::2]:
        torch.testing.assert_close(gem.learn(row), online.learn(row), rtol=0, atol=1e-12)
    torch.testing.assert_close(weights(gem), weights(online), rtol=0, atol=1e-12)
    assert gem.steps == online.steps


def test_a_step_of_gem_by_its_definition(make_learner, toy):
    """Written again with quadratic programming left to SLSQP."""
    learner = make_learner(el.GEM(strength=0.2), memory=el.Ring(9, tasks=3), lr=0.5)
    stream = [{**row, "task": torch.tensor([i // 6])} for i, row in enumerate(toy(18))]
    conflicts = 0
    for row in stream:
        start, task = weights(learner).numpy(), int(row["task"])
        past = [one for one in learner.memory.tasks() if one != task]
        old = [flat(learner.gradient(learner.memory.rows(one))[1]).numpy() for one in past]
        own = flat(learner.gradient(row)[1]).numpy()
        learner.learn(row)
        if any(one @ own < 0 for one in old):
            conflicts += 1
            c = np.stack(old)
            dual = minimize(
                lambda v, c=c, g=own: 0.5 * v @ c @ c.T @ v + v @ c @ g,
                np.full(len(c), 0.2),
                bounds=[(0.2, None)] * len(c),
                method="L-BFGS-B",
                options={"ftol": 1e-15, "gtol": 1e-10},
            )
            own = own + dual.x @ c
        np.testing.assert_allclose(weights(learner).numpy(), start - 0.5 * own, atol=1e-4)
    assert conflicts > 3


def test_agem_projects_on_the_drawn_rows(make_learner, toy):
    """Chaudhry et al. 2019, equation 11."""

    class Noted(el.Reservoir):
        def sample(self, n):
            self.given = super().sample(n)
            return self.given

    learner = make_learner(el.AGEM(drawn=3), memory=Noted(8), lr=0.5)
    conflicts = 0
    for row in toy(40):
        start, own = weights(learner), flat(learner.gradient(row)[1])
        twin = deepcopy(learner)
        learner.learn(row)
        given = learner.memory.given
        old = flat(twin.gradient(given)[1]) if given else None
        assert old is None or len(given["y"]) <= 3
        if old is not None and own @ old < 0:
            conflicts += 1
            own = own - (own @ old) / (old @ old) * old
            torch.testing.assert_close(weights(learner), start - 0.5 * own, atol=1e-5, rtol=0)
    assert conflicts > 3


def test_gem_with_a_reservoir_has_one_constraint(make_learner, toy):
    learner = make_learner(el.GEMReservoir(strength=0.3), memory=el.Reservoir(6), lr=0.5)
    conflicts = 0
    for row in toy(40):
        start, own = weights(learner), flat(learner.gradient(row)[1])
        held = learner.memory.held()
        old = flat(learner.gradient(held)[1]) if held else None
        learner.learn(row)
        if old is not None and own @ old < 0:
            conflicts += 1
            own = own + max(0.3, float(-(own @ old) / (old @ old))) * old
        torch.testing.assert_close(weights(learner), start - 0.5 * own, atol=1e-5, rtol=0)
    assert conflicts > 3


def test_gem_with_fewer_examples_than_slots_and_a_stream_that_ends_in_a_task(make_learner, toy):
    learner = make_learner(el.GEM(), memory=el.Ring(1000, tasks=2))
    for row in toy(5):
        learner.learn(row)
    assert [len(learner.memory.rows(task)["y"]) for task in (0, 1)] == [3, 2]


def test_a_task_that_comes_again_is_held_by_all_others(make_learner, toy):
    """Back at task 0, task 1 is a constraint, though its number is higher."""
    learner = make_learner(el.GEM(strength=0.0), memory=el.Ring(4, tasks=2), lr=0.5)
    conflicts = 0
    for i, row in enumerate(toy(60)):
        task, start, own = i // 10 % 2, weights(learner), flat(learner.gradient(row)[1])
        others = [one for one in learner.memory.tasks() if one != task]
        old = flat(learner.gradient(learner.memory.rows(others[0]))[1]) if others else own
        learner.learn({**row, "task": torch.tensor([task])})
        if own @ old < 0:
            conflicts += task == 0
            own = own - (own @ old) / (old @ old) * old
        torch.testing.assert_close(weights(learner), start - 0.5 * own, atol=1e-5, rtol=0)
    assert conflicts > 2
    assert learner.memory.tasks() == [0, 1]
    assert len(learner.memory) == 4


def test_a_first_batch_that_is_refused_fixes_nothing(make_learner, toy):
    learner = make_learner(el.GEM(), memory=el.Ring(4, tasks=2))
    with pytest.raises(RuntimeError):
        learner.learn({"x": torch.zeros(1, 7).double(), "y": torch.tensor([0]), "task": torch.tensor([0])})
    with pytest.raises(el.InputError, match="GEM needs the column 'task'"):
        learner.learn((torch.zeros(1, 3).double(), torch.tensor([0])))
    learner.learn(toy(1)[0])


@pytest.mark.parametrize(
    ("method", "memory", "message"),
    [
        (el.GEM(), el.Reservoir(10), "GEM needs a memory that keeps tasks apart: everlearn.Ring"),
        (el.GEM(), None, "GEM needs a memory"),
        (el.GEMReservoir(), None, "GEMReservoir needs a memory"),
        (el.AGEM(), None, "AGEM needs a memory"),
    ],
)
def test_what_they_need(toy, method, memory, message):
    model = el.mlp([3, 4]).double()
    sgd = torch.optim.SGD(model.parameters(), 0.1)
    learner = el.Learner(model, sgd, el.cross_entropy, memory=memory, method=method)
    with pytest.raises(el.InputError, match=message):
        learner.learn(toy(1)[0])


def test_a_third_task_for_a_ring_of_two_changes_nothing(make_learner, toy):
    learner = make_learner(el.GEM(), memory=el.Ring(4, tasks=2))
    for row in toy(6):
        learner.learn(row)
    before = weights(learner)
    with pytest.raises(el.InputError, match="task 2 would be one more"):
        learner.learn({**toy(1)[0], "task": torch.tensor([2])})
    assert torch.equal(weights(learner), before)


def test_a_bad_label_leaves_memory_and_weights(make_learner, toy):
    learner = make_learner(el.GEM(), memory=el.Ring(4, tasks=2))
    for row in toy(6):
        learner.learn(row)
    before, held = weights(learner), learner.memory.held()["x"].clone()
    with pytest.raises(el.InputError, match="label 9"):
        learner.learn({**toy(1)[0], "y": torch.tensor([9])})
    assert torch.equal(weights(learner), before)
    assert torch.equal(learner.memory.held()["x"], held)
