"""Networks of their own, and input layers of their own."""

import pytest
import torch

import everlearn as el


def call_with_task(model, batch):
    return model(batch["x"], batch["task"])


def learner(method, model):
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    return el.Learner(model.double(), sgd, el.cross_entropy, method=method, forward=call_with_task)


def networks(n):
    return el.ByTask([el.mlp([3, 5, 4], seed=i) for i in range(n)])


def flat(part):
    return torch.nn.utils.parameters_to_vector(part.parameters()).detach().clone()


def row(toy, task, seed=0):
    return {**toy(1, seed=seed)[0], "task": torch.tensor([task])}


def test_a_new_task_begins_where_the_last_one_is(toy):
    model = networks(3)
    own = learner(el.Independent(), model)
    for seed in range(5):
        own.learn(row(toy, 0, seed))
    first = flat(model.parts[0])
    own.learn(row(toy, 2))
    assert torch.equal(flat(model.parts[0]), first)
    alone = learner(el.Online(), networks(3))
    for part in alone.model.parts:
        part.load_state_dict(model.parts[0].state_dict())
    alone.learn(row(toy, 2))
    torch.testing.assert_close(flat(model.parts[2]), flat(alone.model.parts[2]))


def test_it_begins_where_the_one_is_that_learned_last(toy):
    model = networks(3)
    own = learner(el.Independent(), model)
    for task, seed in ((0, 0), (1, 1), (0, 2)):
        own.learn(row(toy, task, seed))
    with pytest.raises(el.InputError, match="label 9"):
        own.learn({**row(toy, 2), "y": torch.tensor([9])})
    own.learn(row(toy, 0, 3))
    expected = flat(model.parts[0])
    model.parts[2].requires_grad_(False)
    own.learn({name: torch.cat([row(toy, 2)[name], row(toy, 1)[name]]) for name in row(toy, 2)})
    assert torch.equal(flat(model.parts[2]), expected)


def test_buffers_are_copied_too(toy):
    model = el.ByTask([torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 4)) for _ in range(2)])
    own = learner(el.Independent(), model)
    several = {name: torch.cat([row(toy, 0, seed)[name] for seed in range(6)]) for name in row(toy, 0)}
    own.learn(several)
    first = model.parts[0][0].running_var.clone()
    own.learn(row(toy, 1))
    assert torch.equal(model.parts[1][0].running_var, first)


def test_networks_that_differ_are_told(toy):
    own = learner(el.Independent(), el.ByTask([el.mlp([3, 5, 4]), el.mlp([3, 6, 4])]))
    own.learn(row(toy, 0))
    with pytest.raises(el.InputError, match="Independent needs networks that are all alike"):
        own.learn(row(toy, 1))


def test_a_task_that_comes_again_goes_on(toy):
    model = networks(2)
    own = learner(el.Independent(), model)
    for task in (0, 1, 0):
        own.learn(row(toy, task))
    twice = learner(el.Online(), networks(2))
    for _ in range(2):
        twice.learn(row(toy, 0))
    torch.testing.assert_close(flat(model.parts[0]), flat(twice.model.parts[0]))


def test_a_network_may_begin_as_it_was_made(toy):
    model = networks(2)
    own, online = learner(el.Independent(start="own"), model), learner(el.Online(), networks(2))
    for task in (0, 1):
        own.learn(row(toy, task))
        online.learn(row(toy, task))
    assert torch.equal(flat(model), flat(online.model))


def test_nothing_is_forgotten(toy):
    model = networks(2)
    own = learner(el.Independent(), model)
    own.learn(row(toy, 0))
    before = own.predict(row(toy, 0))
    for seed in range(10):
        own.learn(row(toy, 1, seed))
    assert torch.equal(own.predict(row(toy, 0)), before)


@pytest.mark.parametrize("method", [el.Independent(), el.TaskInput()])
def test_a_task_out_of_range_is_named_and_nothing_is_learned(toy, method):
    model = networks(2)
    own = learner(method, model)
    own.learn(row(toy, 0))
    before = flat(model)
    with pytest.raises(el.InputError, match="task 2 is out of range: the model has parts for 0 to 1"):
        own.learn(row(toy, 2))
    assert torch.equal(flat(model), before)


def test_task_input_learns_its_own_inputs_and_the_shared_rest(toy):
    model = el.TaskInputNet([3, 5, 4], tasks=2)
    own = learner(el.TaskInput(), model)
    inputs, shared = [flat(part) for part in model.inputs.parts], flat(model.shared)
    own.learn(row(toy, 1))
    assert torch.equal(flat(model.inputs.parts[0]), inputs[0])
    assert not torch.equal(flat(model.inputs.parts[1]), inputs[1])
    assert not torch.equal(flat(model.shared), shared)


def test_independent_says_which_model_it_needs(make_learner, toy):
    with pytest.raises(el.InputError, match="Independent needs a model that is a ByTask"):
        make_learner(el.Independent()).learn(toy(1)[0])


def test_a_start_that_there_is_not():
    with pytest.raises(el.InputError, match="start must be one of previous, own, not 'fresh'"):
        el.Independent(start="fresh")


@pytest.mark.parametrize("method", [el.Independent(), el.TaskInput()])
def test_the_column_that_is_needed_is_named(method):
    with pytest.raises(el.InputError, match="needs the column 'task'"):
        learner(method, networks(2)).learn((torch.zeros(1, 3).double(), torch.tensor([0])))
