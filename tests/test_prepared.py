"""Losses whose targets are computed from the rows."""

import pytest
import torch

import everlearn as el
from everlearn.alignment import products
from everlearn.losses import Prepared


class Targets:
    """Counts how often it is asked, and makes `action` and `target` of what a row holds."""

    def __init__(self):
        self.asked = []

    def __call__(self, batch):
        assert not torch.is_grad_enabled()
        self.asked.append(len(batch["state"]))
        return ready(batch)


def stored(n, seed=0):
    chance = torch.Generator().manual_seed(seed)
    return {
        "state": torch.randn(n, 3, generator=chance).double(),
        "did": torch.randint(4, (n,), generator=chance),
        "got": torch.randn(n, generator=chance).double(),
    }


def ready(row):
    return {"x": row["state"], "action": row["did"], "target": 2 * row["got"]}


@pytest.fixture
def learners(make_learner):
    """Compiled, readable, and one that is handed rows that are ready."""

    def make(method, **parts):
        targets = Targets()
        prepared = Prepared(el.chosen_huber, targets)
        compiled = make_learner(method, loss=prepared, memory=el.Reservoir(9), **parts)
        readable = make_learner(
            method, loss=prepared, memory=el.Reservoir(9), forward=lambda model, batch: model(batch["x"]), **parts
        )
        plain = make_learner(method, loss=el.chosen_huber, memory=el.Reservoir(9), **parts)
        return compiled, readable, plain, targets

    return make


@pytest.mark.parametrize("method", [el.MER(replayed=3), el.ER(3), el.Online(), el.GEMReservoir(), el.AGEM(3)])
def test_it_learns_what_a_learner_of_ready_rows_learns(method, learners):
    compiled, readable, plain, _ = learners(method)
    for i in range(12):
        row = stored(1, seed=i)
        losses = [compiled.learn(row), readable.learn(row), plain.learn(ready(row))]
        torch.testing.assert_close(losses[0], losses[1], rtol=0, atol=1e-9)
        torch.testing.assert_close(losses[0], losses[2], rtol=0, atol=1e-9)
    assert compiled.path == "compiled" == plain.path


def test_it_is_asked_once_for_all_rows_of_a_step_or_of_many(learners):
    compiled, readable, _, targets = learners(el.MER(batches=2, replayed=3))
    for learner in (compiled, readable):
        for i in range(6):
            learner.learn(stored(1, seed=i))
        targets.asked.clear()
        learner.learn(stored(1, seed=6))
        assert targets.asked == [1, 3, 1, 3]


def test_alignment_sees_it_too(learners):
    compiled, _, plain, _ = learners(el.Online())
    new, old = stored(2), stored(3, seed=1)
    torch.testing.assert_close(
        products(compiled, new, old).dot(), products(plain, ready(new), ready(old)).dot(), rtol=1e-9, atol=1e-12
    )


def test_what_is_prepared_must_have_as_many_of_each(make_learner):
    def short(batch):
        return ready(batch) | {"action": batch["did"][:-1]}

    learner = make_learner(el.Online(), loss=Prepared(el.chosen_huber, short))
    with pytest.raises(el.InputError, match="equally many rows: x has 3, action has 2, target has 3"):
        learner.learn(stored(3))
