"""EWC: its springs, one by one as published and all together as here."""

import pytest
import torch

import everlearn as el


def weights(learner):
    return torch.nn.utils.parameters_to_vector(learner.model.parameters()).detach().clone()


def stream(toy, tasks, rows):
    return [{**row, "task": torch.tensor([i // rows])} for i, row in enumerate(toy(tasks * rows))]


@pytest.mark.parametrize("fisher", ["batch", "rows"])
def test_steps_are_those_of_one_spring_a_task(make_learner, toy, fisher):
    """loss + λ Σₜ Fₜ (θ − θ*ₜ)², every sum written out."""
    learner = make_learner(el.EWC(strength=3.0, kept=3, fisher=fisher), lr=0.05)
    model = el.mlp([3, 5, 4], seed=0).double()
    springs, first, task = [], [], None

    def gradient(batch):
        loss = torch.nn.functional.cross_entropy(model(batch["x"]), batch["y"])
        return torch.autograd.grad(loss, list(model.parameters()))

    for row in stream(toy, tasks=3, rows=5):
        if task not in (None, int(row["task"])):
            kept = {name: torch.cat([one[name] for one in first[:3]]) for name in ("x", "y")}
            each = [gradient(kept)] if fisher == "batch" else [gradient(one) for one in first[:3]]
            fishers = [torch.stack([g**2 for g in parts]).mean(0) for parts in zip(*each, strict=True)]
            springs.append((fishers, [p.detach().clone() for p in model.parameters()]))
            first = []
        task = int(row["task"])
        first.append(row)
        own = gradient(row)
        with torch.no_grad():
            pulls = [
                sum((2 * 3.0 * f[i] * (p - anchor[i]) for f, anchor in springs), torch.zeros_like(p))
                for i, p in enumerate(model.parameters())
            ]
            for p, g, pull in zip(model.parameters(), own, pulls, strict=True):
                p.sub_(0.05 * (g + pull))
        learner.learn(row)
        ours = weights(learner)
        torch.testing.assert_close(ours, torch.nn.utils.parameters_to_vector(model.parameters()), rtol=0, atol=1e-12)
    assert len(springs) == 2


def test_without_strength_it_is_online_learning(make_learner, toy):
    ewc, online = make_learner(el.EWC(strength=0.0)), make_learner(el.Online())
    for row in stream(toy, 3, 4):
        torch.testing.assert_close(ewc.learn(row), online.learn(row), rtol=0, atol=1e-12)
    torch.testing.assert_close(weights(ewc), weights(online), rtol=0, atol=1e-12)


def test_the_two_fishers_differ_and_are_named(make_learner, toy):
    ends = []
    for fisher in ("batch", "rows"):
        learner = make_learner(el.EWC(strength=30.0, fisher=fisher))
        for row in stream(toy, 2, 8):
            learner.learn(row)
        ends.append(weights(learner))
    assert not torch.allclose(*ends)


def test_strong_springs_hold(make_learner, toy):
    moves = []
    for strength in (0.0, 5.0):
        learner = make_learner(el.EWC(strength=strength, fisher="rows"), lr=0.02)
        rows = stream(toy, 2, 40)
        for row in rows[:40]:
            learner.learn(row)
        before = weights(learner)
        for row in rows[40:]:
            learner.learn(row)
        moves.append((weights(learner) - before).norm())
    assert moves[1] < 0.8 * moves[0]


def test_a_task_of_fewer_rows_than_it_wants(make_learner, toy):
    learner = make_learner(el.EWC(kept=100))
    for row in stream(toy, 2, 3):
        learner.learn(row)
    assert len(learner.state["first"]["y"]) == 3


def test_a_penalty_that_is_not_finite_takes_no_step(make_learner, toy):
    learner = make_learner(el.EWC(strength=1e308))
    *rows, last = stream(toy, 2, 3)[:5]
    for row in rows:
        learner.learn(row)
    learner.state["importance"] = {name: part + 1e10 for name, part in learner.state["importance"].items()}
    with torch.no_grad():
        learner.model[0].weight += 1.0
    before = weights(learner)
    with pytest.raises(el.Diverged):
        learner.learn(last)
    assert torch.equal(weights(learner), before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strength": -1.0}, "strength must be at least 0"),
        ({"kept": 0}, "kept must be at least 1"),
        ({"fisher": "full"}, "fisher must be one of batch, rows, not 'full'"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(el.InputError, match=message):
        el.EWC(**settings)


def test_it_names_the_column_it_needs(make_learner):
    with pytest.raises(el.InputError, match="EWC needs the column 'task'"):
        make_learner(el.EWC()).learn((torch.zeros(1, 3).double(), torch.tensor([0])))


def test_a_refused_batch_leaves_nothing_behind(make_learner, toy):
    refused, plain = make_learner(el.EWC()), make_learner(el.EWC())
    rows = stream(toy, 3, 4)
    for i, row in enumerate(rows):
        if i % 4 in (0, 2):
            bad = {**row, "y": torch.tensor([9])}
            with pytest.raises(el.InputError, match="label 9"):
                refused.learn(bad)
        refused.learn(row)
        plain.learn(row)
    assert torch.equal(weights(refused), weights(plain))


def test_layers_may_be_frozen_and_unfrozen(make_learner, toy):
    learner = make_learner(el.EWC())
    first, second, third, fourth = (stream(toy, 4, 5)[i : i + 5] for i in (0, 5, 10, 15))
    learner.model[0].requires_grad_(False)
    for row in [*first, *second]:
        learner.learn(row)
    assert "0.weight" not in learner.state["importance"]
    learner.model[0].requires_grad_(True)
    for row in third:
        learner.learn(row)
    learner.model[2].requires_grad_(False)
    for row in fourth:
        learner.learn(row)
    assert {"0.weight", "2.weight"} <= learner.state["importance"].keys()
