"""MER worked by hand, and the limits in which it is something simpler."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import everlearn as el
from everlearn.batches import join, rows


def test_a_step_worked_by_hand():
    """One weight, squared loss (w·x − y)², rate 0.1: a step is w ← w − 0.2·x·(w·x − y).

    Start at w = 1, β = 0.5, γ = 0.5, s = 2, k − 1 = 1; memory holds only (x, y) = (2, 0); the
    new row is (1, 3).

    First batch, from 1:       new: 1 − 0.2·1·(1 − 3)         = 1.4
                               old: 1.4 − 0.2·2·(2.8 − 0)     = 0.28
                               within: 1 + 0.5·(0.28 − 1)     = 0.64
    Second batch, from 0.64:   new: 0.64 − 0.2·(0.64 − 3)     = 1.112
                               old: 1.112 − 0.4·2.224         = 0.2224
                               within: 0.64 + 0.5·(0.2224 − 0.64) = 0.4312
    Across, from 1:            1 + 0.5·(0.4312 − 1)           = 0.7156
    """
    model = torch.nn.Linear(1, 1, bias=False, dtype=torch.float64)
    torch.nn.init.ones_(model.weight)
    memory = el.Reservoir(5)
    memory.add({"x": torch.tensor([[2.0]]).double(), "y": torch.tensor([[0.0]]).double()})
    method = el.MER(batches=2, replayed=1, beta=0.5, gamma=0.5)
    learner = el.Learner(model, torch.optim.SGD(model.parameters(), lr=0.1), el.squared, memory=memory, method=method)
    loss = learner.learn((torch.tensor([[1.0]]).double(), torch.tensor([[3.0]]).double()))
    assert loss.item() == pytest.approx(4)
    assert model.weight.item() == pytest.approx(0.7156, abs=1e-14)
    assert learner.steps == 4
    assert len(memory) == 2


@settings(max_examples=15)
@given(s=st.integers(1, 3), k=st.integers(0, 4), hidden=st.integers(1, 6), seed=st.integers(0, 9))
def test_without_shrinking_it_is_sequential_replay(s, k, hidden, seed):
    def learner():
        model = el.mlp([3, hidden, 4], seed=seed).double()
        sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        method = el.MER(batches=s, replayed=k, beta=1.0, gamma=1.0)
        return el.Learner(model, sgd, el.cross_entropy, memory=el.Reservoir(8, seed=seed), method=method)

    chance = torch.Generator().manual_seed(seed)
    x, y = torch.randn(12, 3, generator=chance).double(), torch.randint(4, (12,), generator=chance)
    mer, replay = learner(), learner()
    for i in range(12):
        row = {"x": x[i : i + 1], "y": y[i : i + 1]}
        mer.learn(row)
        for _ in range(s):
            for one in rows(join(row, replay.memory.sample(k))):
                replay.optimizer.zero_grad()
                torch.nn.functional.cross_entropy(replay.model(one["x"]), one["y"]).backward()
                replay.optimizer.step()
        replay.memory.add(row)
    for ours, plain in zip(mer.model.parameters(), replay.model.parameters(), strict=True):
        torch.testing.assert_close(ours, plain, rtol=0, atol=1e-12)


def test_a_batch_of_rows_is_the_rows_one_by_one(make_learner, toy):
    together, apart = make_learner(el.MER()), make_learner(el.MER())
    stream = toy(6)
    losses = [apart.learn(row) for row in stream]
    loss = together.learn({name: torch.cat([row[name] for row in stream]) for name in stream[0]})
    assert loss == pytest.approx(sum(losses) / 6)
    for one, other in zip(together.model.parameters(), apart.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_happens_while_the_memory_is_empty_or_small(make_learner, toy):
    learner, steps = make_learner(el.MER(batches=2, replayed=3)), []
    for row in toy(5):
        before = learner.steps
        learner.learn(row)
        steps.append(learner.steps - before)
    assert steps == [2 * 1, 2 * 2, 2 * 3, 2 * 4, 2 * 4]


@pytest.mark.parametrize(("add", "steps"), [("after", 1), ("before", 2)])
def test_when_the_new_row_enters_the_memory(make_learner, toy, add, steps):
    learner = make_learner(el.MER(batches=1, replayed=1, add=add))
    learner.learn(toy(1)[0])
    assert learner.steps == steps
    assert len(learner.memory) == 1


@pytest.mark.parametrize(
    "method",
    [
        el.MER(batches=3, replayed=4, beta=0.1),
        el.MER(batches=3, replayed=4, gamma=0.3, add="before"),
        el.MERBig(batches=2, replayed=4),
        el.MERCurrent(replayed=4),
        el.ER(4),
        el.TaskER(4),
        el.Online(),
    ],
)
@pytest.mark.parametrize("forward", [None, lambda model, batch: model(batch["x"])])
def test_a_row_that_the_loss_refuses_leaves_weights_and_memory_as_they_were(method, forward, make_learner, toy):
    learner = make_learner(method, memory=el.Reservoir(20), **({} if forward is None else {"forward": forward}))
    good, bad = toy(40)[:30], toy(40)[30:]
    for row in good:
        learner.learn(row)
    weights = [p.clone() for p in learner.model.parameters()]
    held = {name: values.clone() for name, values in learner.memory.held().items()}
    for row in bad:
        with pytest.raises(el.InputError, match="label 9 in column 'y' is out of range"):
            learner.learn(row | {"y": torch.tensor([9])})
    assert all(torch.equal(p, before) for p, before in zip(learner.model.parameters(), weights, strict=True))
    assert all(torch.equal(learner.memory.held()[name], values) for name, values in held.items())
    learner.learn(bad[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: el.MER(batches=0), "batches must be at least 1, not 0"),
        (lambda: el.MER(replayed=-1), "replayed must be at least 0, not -1"),
        (lambda: el.MER(beta=0.0), "beta must be above 0"),
        (lambda: el.MER(gamma=float("nan")), "gamma must be above 0 and finite, not nan"),
        (lambda: el.MER(add="never"), "add must be"),
        (lambda: el.ER(replayed=-1), "replayed must be at least 0"),
        (lambda: el.Reptile(steps=1), "steps must be at least 2"),
        (lambda: el.MERCurrent(boost=-1.0), "boost must be above 0"),
    ],
)
def test_hyper_parameters_out_of_range_are_refused_by_name(make, message):
    with pytest.raises(el.InputError, match=message):
        make()
