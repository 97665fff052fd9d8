"""Odd sequences of tasks: a single class, tasks that never come again, a stream that ends in the middle."""

import pytest
import torch

import everlearn as el

METHODS = {
    "Online": (el.Online(), lambda: None),
    "Reptile": (el.Reptile(steps=5), lambda: None),
    "Independent": (el.Independent(), lambda: None),
    "TaskInput": (el.TaskInput(), lambda: None),
    "ER": (el.ER(replayed=3), lambda: el.Reservoir(12)),
    "MERBig": (el.MERBig(replayed=3), lambda: el.Reservoir(12)),
    "MERCurrent": (el.MERCurrent(replayed=3), lambda: el.Ring(12, tasks=4)),
    "AGEM": (el.AGEM(drawn=4), lambda: el.Reservoir(12)),
    "EWC": (el.EWC(strength=0.1), lambda: None),
    "GEM": (el.GEM(), lambda: el.Ring(12, tasks=4)),
    "GEMReservoir": (el.GEMReservoir(), lambda: el.Reservoir(12)),
    "TaskER": (el.TaskER(), lambda: el.Ring(12, tasks=4)),
    "MER": (el.MER(batches=2, replayed=3), lambda: el.Ring(12, tasks=4)),
}

MODELS = {
    "Independent": lambda: el.ByTask([el.mlp([3, 5, 4], seed=i) for i in range(8)]),
    "TaskInput": lambda: el.TaskInputNet([3, 5, 4], tasks=8),
}


def learner_of(name):
    method, memory = METHODS[name]
    model = MODELS.get(name, lambda: el.mlp([3, 5, 4]))().double()
    sgd = torch.optim.SGD(model.parameters(), lr=0.05)
    called = {"forward": lambda model, batch: model(batch["x"], batch["task"])} if name in MODELS else {}
    return el.Learner(model, sgd, el.cross_entropy, memory=memory(), method=method, **called)


def stream(toy, tasks, label=None):
    rows = toy(len(tasks))
    for row, task in zip(rows, tasks, strict=True):
        yield {**row, "task": torch.tensor([task]), "y": row["y"] if label is None else torch.tensor([label])}


def learn(learner, rows):
    for row in rows:
        learner.learn(row)
    assert all(p.isfinite().all() for p in learner.model.parameters())


@pytest.mark.parametrize("name", ["EWC", "GEM", "TaskER"])
@pytest.mark.parametrize("task", [torch.tensor([[1]]), torch.tensor([0.2])])
def test_tasks_are_one_integer_a_row(name, task, toy):
    learner = learner_of(name)
    learn(learner, stream(toy, [0] * 5))
    with pytest.raises(el.InputError, match="one integer a row in column 'task', not torch"):
        learner.learn(toy(1)[0] | {"task": task})


@pytest.mark.parametrize("task", [torch.tensor([[1]]), torch.tensor([0.2]), torch.tensor([0, 1])])
def test_a_network_by_task_needs_one_integer_a_row(task):
    with pytest.raises(el.InputError, match="tasks must be one integer a row, not torch"):
        el.ByTask([torch.nn.Linear(2, 2)] * 2)(torch.zeros(1, 2), task)


@pytest.mark.parametrize("name", METHODS)
def test_a_task_of_a_single_class(name, toy):
    learner = learner_of(name)
    learn(learner, [*stream(toy, [0] * 12), *stream(toy, [1] * 30, label=2), *stream(toy, [2] * 12)])
    assert learner.steps >= 54


@pytest.mark.parametrize("name", METHODS)
def test_tasks_that_never_come_again_and_a_stream_that_ends_in_one(name, toy):
    """One row of a task, then others: what is held of it stays where the memory keeps tasks apart."""
    learner = learner_of(name)
    learn(learner, stream(toy, [7, *[3] * 20, *[5] * 20, 4]))
    if isinstance(learner.stored, el.Ring):
        assert learner.stored.tasks() == [7, 3, 5, 4]
        assert [len(learner.stored.rows(task)["y"]) for task in (7, 3, 5, 4)] == [1, 3, 3, 1]


@pytest.mark.parametrize("name", METHODS)
def test_tasks_that_take_turns_row_by_row(name, toy):
    learn(learner_of(name), stream(toy, [0, 1, 2, 3] * 8))
