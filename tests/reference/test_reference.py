"""Every method equals the reference, step by step, when both are fed the same draws."""

import random

import ibm
import numpy as np
import pytest
import torch

import everlearn as el
from everlearn.metrics import correct


class Recording:
    """A memory that remembers what it gave."""

    def __init__(self, memory):
        self.memory, self.given = memory, []

    def expect(self, batch):
        self.memory.expect(batch)

    def add(self, batch):
        self.memory.add(batch)

    def sample(self, n):
        drawn = self.memory.sample(n)
        self.given.append(examples(drawn) if drawn else [])
        return drawn

    def __len__(self):
        return len(self.memory)


def examples(batch):
    return list(zip(batch["x"].numpy(), batch["y"].tolist(), strict=True))


def as_net(model):
    linears = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
    return [(layer.weight.detach().numpy().copy(), layer.bias.detach().numpy().copy()) for layer in linears]


def assert_equal(model, net):
    for (w, b), (ours_w, ours_b) in zip(net, as_net(model), strict=True):
        np.testing.assert_allclose(ours_w, w, rtol=0, atol=1e-12)
        np.testing.assert_allclose(ours_b, b, rtol=0, atol=1e-12)


@pytest.fixture
def setting(make_learner, toy):
    def make(method, lr=0.1):
        memory = Recording(el.Reservoir(10))
        learner = make_learner(method, memory=memory, lr=lr)
        return learner, memory, toy(40)

    return make


def test_mer_is_algorithm_1(setting):
    learner, memory, stream = setting(el.MER(batches=3, replayed=4, beta=0.3, gamma=0.7))
    net = as_net(learner.model)
    for row in stream:
        memory.given.clear()
        learner.learn(row)
        net = ibm.mer1(net, examples(row)[0], memory.given, alpha=0.1, beta=0.3, gamma=0.7)
        assert_equal(learner.model, net)


@pytest.mark.parametrize("batches", [1, 3])
def test_mer_big_is_algorithm_6(setting, batches):
    learner, memory, stream = setting(el.MERBig(batches=batches, replayed=2, gamma=0.4))
    net = as_net(learner.model)
    for row in stream:
        memory.given.clear()
        learner.learn(row)
        net = ibm.mer6(net, examples(row)[0], memory.given[0], alpha=0.1, gamma=0.4, copies=batches)
        assert_equal(learner.model, net)


def test_mer_current_is_algorithm_7_from_the_second_example_on(setting):
    learner, memory, stream = setting(el.MERCurrent(boost=3.0, replayed=4, gamma=0.4))
    twin = torch.Generator()
    for age, row in enumerate(stream, 1):
        net = as_net(learner.model)
        memory.given.clear()
        twin.set_state(learner.generator.get_state())
        learner.learn(row)
        order = torch.randperm(1 + len(memory.given[0]), generator=twin).tolist()
        net = ibm.mer7(net, examples(row)[0], memory.given[0], order, alpha=0.1, gamma=0.4, s=3.0, age=age)
        if age == 1:  # The reference's quirk: it learns nothing here, the library does.
            assert any((w != ours).any() for (w, _), (ours, _) in zip(net, as_net(learner.model), strict=True))
        else:
            assert_equal(learner.model, net)


def test_er_is_algorithm_4(setting):
    learner, memory, stream = setting(el.ER(replayed=4))
    net = as_net(learner.model)
    for row in stream:
        memory.given.clear()
        learner.learn(row)
        net = ibm.er4(net, [*memory.given[0], *examples(row)], lr=0.1)
        assert_equal(learner.model, net)


def test_task_er_is_algorithm_5(setting):
    learner, memory, stream = setting(el.TaskER(replayed=4))
    net = as_net(learner.model)
    task_of = {row["x"].numpy().tobytes(): int(row["task"]) for row in stream}
    for row in stream:
        memory.given.clear()
        learner.learn(row)
        batch = [*memory.given[0], *examples(row)]
        net = ibm.er5(net, batch, [task_of[x.tobytes()] for x, _ in batch], lr=0.1)
        assert_equal(learner.model, net)


def test_online_is_one_step_an_example(setting):
    learner, _, stream = setting(el.Online())
    net = as_net(learner.model)
    for row in stream:
        learner.learn(row)
        net = ibm.sgd(net, *examples(row)[0], lr=0.1)
        assert_equal(learner.model, net)


def test_the_reference_reservoir_keeps_early_items_too_often_and_ours_does_not():
    capacity, n, repeats = 5, 20, 20_000
    theirs = np.zeros(n)
    chance = random.Random(0)
    for _ in range(repeats):
        slots = {}
        for item in range(n):
            slot = ibm.reservoir_slot(item + 1, capacity, chance)
            if slot is not None:
                slots[slot] = item
        theirs[list(slots.values())] += 1 / repeats
    # Derived: early items are kept with (capacity + 1) / (n + 1), later ones with capacity / (n + 1).
    assert theirs[:capacity].mean() == pytest.approx(6 / 21, abs=0.005)
    assert theirs[capacity:].mean() == pytest.approx(5 / 21, abs=0.005)
    ours = np.zeros(n)
    for seed in range(4_000):
        memory = el.Reservoir(capacity, seed=seed)
        memory.add({"n": torch.arange(n)})
        ours[memory.state_dict()["columns"]["n"]] += 1 / 4_000
    assert ours[:capacity].mean() == pytest.approx(5 / 20, abs=0.01)


def test_the_reference_evaluation_drops_the_last_example_and_ours_counts_all(toy):
    model = el.mlp([3, 4], seed=1).double()
    rows = toy(30)
    x, y = torch.cat([r["x"] for r in rows]), torch.cat([r["y"] for r in rows])
    y[-1] = model(x[-1:]).argmax()
    ours = correct(model(x), {"y": y}).mean().item()
    assert ibm.evaluate(as_net(model), x.numpy(), y.tolist()) == pytest.approx(ours - 1 / 30)
