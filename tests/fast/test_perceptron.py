"""The compiled path leaves the user's module as it was but for the numbers in it."""

import copy
import gc
import pickle
import weakref
from dataclasses import dataclass

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import everlearn as el
from everlearn.fast.perceptron import Perceptron
from everlearn.types import Batch, Learning


@pytest.fixture
def learned(make_learner, toy):
    """A learner that has learned on the compiled path."""
    learner = make_learner(el.MER())
    for row in toy(5):
        learner.learn(row)
    assert learner.path == "compiled"
    return learner


def test_parameters_stay_the_same_objects_in_the_same_storage(make_learner, toy):
    learner = make_learner(el.MER())
    before = [(id(p), p.data_ptr(), p.stride(), p.untyped_storage().nbytes()) for p in learner.model.parameters()]
    for row in toy(5):
        learner.learn(row)
    after = [(id(p), p.data_ptr(), p.stride(), p.untyped_storage().nbytes()) for p in learner.model.parameters()]
    assert before == after
    assert all(p.is_contiguous() and p.grad is None for p in learner.model.parameters())


def test_state_dict_deepcopy_pickle_and_both_ways_to_load(learned, toy):
    x = toy(1)[0]["x"]
    expected = learned.predict({"x": x})
    for twin in (copy.deepcopy(learned.model), pickle.loads(pickle.dumps(learned.model))):
        assert torch.equal(twin(x), expected)
    for assign in (False, True):
        fresh = el.mlp([3, 5, 4], seed=9).double()
        fresh.load_state_dict(copy.deepcopy(learned.model.state_dict()), assign=assign)
        assert torch.equal(fresh(x), expected)


def test_vmap_vector_and_safetensors(learned, tmp_path):
    model = learned.model
    xs = torch.randn(4, 3).double()
    torch.testing.assert_close(
        torch.vmap(lambda x: torch.func.functional_call(model, dict(model.named_parameters()), x))(xs), model(xs)
    )
    assert nn.utils.parameters_to_vector(model.parameters()).shape == (3 * 5 + 5 + 5 * 4 + 4,)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    assert load_file(tmp_path / "model.safetensors").keys() == model.state_dict().keys()


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.load_state_dict(el.mlp([3, 5, 4], seed=7).double().state_dict()),
        lambda model: model.load_state_dict(el.mlp([3, 5, 4], seed=7).double().state_dict(), assign=True),
        lambda model: [p.data.mul_(0.5) for p in model.parameters()],
        lambda model: [setattr(p, "data", p.data * 0.5) for p in model.parameters()],
        lambda model: model.double().share_memory(),
        lambda model: setattr(model[0].weight, "data", model[0].weight.data.t().contiguous().t()),
    ],
    ids=["load", "assign", "in place", "new storage", "shared memory", "strides"],
)
def test_what_a_user_does_to_the_weights_between_counts(make_learner, toy, change):
    compiled = make_learner(el.MER())
    readable = make_learner(el.MER(), forward=lambda model, batch: model(batch["x"]))
    for learner in (compiled, readable):
        learner.learn(toy(1)[0])
        change(learner.model)
        if not all(
            a is b for a, b in zip(learner.optimizer.param_groups[0]["params"], learner.model.parameters(), strict=True)
        ):
            learner.optimizer.param_groups[0]["params"] = list(learner.model.parameters())
        learner.learn(toy(2)[1])
    assert compiled.path == "compiled"
    for ours, theirs in zip(compiled.model.parameters(), readable.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_a_change_of_dtype_is_followed(make_learner, toy):
    learner = make_learner(el.MER())
    learner.learn(toy(1)[0])
    learner.model.float()
    learner._memory = el.Reservoir(5)
    learner.learn(toy(1, dtype=torch.float32)[0])
    assert learner.path == "compiled"
    assert learner.model[0].weight.dtype == torch.float32


@pytest.mark.parametrize(
    "change",
    [
        lambda learner: learner.model.__setitem__(1, nn.Tanh()),
        lambda learner: setattr(learner, "loss", el.squared),
        lambda learner: setattr(learner.model[2], "weight", nn.Parameter(torch.ones(4, 5).double())),
    ],
    ids=["activation", "loss", "parameter"],
)
def test_a_part_that_is_replaced_counts(make_learner, toy, change):
    compiled = make_learner(el.Reptile())
    readable = make_learner(el.Reptile(), forward=lambda model, batch: model(batch["x"]))
    row = toy(1)[0]
    for learner in (compiled, readable):
        learner.learn(row)
        change(learner)
        learner.optimizer = torch.optim.SGD(learner.model.parameters(), lr=0.1)
        learner.learn(row if learner.loss is el.cross_entropy else row | {"y": torch.ones(1, 4).double()})
    assert compiled.path == "compiled"
    for ours, theirs in zip(compiled.model.parameters(), readable.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_rows_of_another_dtype_get_torchs_own_error(make_learner, toy):
    learner = make_learner(el.Reptile())
    with pytest.raises(RuntimeError, match="dtype"):
        learner.learn(toy(1, dtype=torch.float32)[0])


@dataclass(frozen=True)
class Meddling:
    """Reads and writes the model between steps, as a method of one's own may."""

    def __call__(self, learner: Learning, batch: Batch) -> torch.Tensor:
        before = learner.snapshot()
        losses = learner.descend_each(batch)
        point = {name: p.detach().clone() for name, p in learner.model.named_parameters()}
        after = learner.snapshot()
        assert list(before) == list(after) == list(point)
        assert all(torch.equal(after[name], point[name]) for name in point)
        assert not torch.equal(before["0.weight"], point["0.weight"])
        with torch.no_grad():
            for parameter in learner.model.parameters():
                parameter.mul_(0.9)
        learner.descend_each(batch)
        learner.move_from(dict(before), 0.5)
        learner.move_from(after, 0.5)
        return losses


def test_a_method_may_read_and_write_the_model_between_steps(make_learner, toy):
    compiled = make_learner(Meddling())
    readable = make_learner(Meddling(), forward=lambda model, batch: model(batch["x"]))
    for learner in (compiled, readable):
        learner.learn({name: torch.cat([row[name] for row in toy(4)]) for name in ("x", "y")})
    for ours, theirs in zip(compiled.model.parameters(), readable.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("learning", [3, 5])
def test_a_point_survives_a_change_of_path_and_a_checkpoint(make_learner, toy, tmp_path, learning):
    """Reptile keeps a point from one batch to the next; here the path changes between."""
    rows = toy(12)
    plain, changing = make_learner(el.Reptile(steps=4)), make_learner(el.Reptile(steps=4))
    for learner in (plain, changing):
        [learner.learn(row) for row in rows[:learning]]
    changing.save(tmp_path / "point")
    resumed = make_learner(el.Reptile(steps=4), forward=lambda model, batch: model(batch["x"]))
    resumed.load(tmp_path / "point")
    hook = changing.model.register_forward_hook(lambda *_: None)
    for row in rows[learning:]:
        plain.learn(row)
        changing.learn(row)
        resumed.learn(row)
    assert changing.path == "readable: the model has hooks or is compiled"
    hook.remove()
    for ours, other, theirs in zip(*(one.model.parameters() for one in (plain, changing, resumed)), strict=True):
        torch.testing.assert_close(ours, other, rtol=0, atol=1e-12)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def change_loss(learner):
    learner.loss = el.squared


def change_forward(learner):
    learner.forward = lambda model, batch: 2 * model(batch["x"])


def change_optimizer(learner):
    learner.optimizer = torch.optim.SGD(learner.model.parameters(), lr=0.1, momentum=0.9)


@pytest.mark.parametrize("change", [change_loss, change_forward, change_optimizer])
def test_a_part_that_is_replaced_between_two_steps_counts(make_learner, toy, change):
    def method(learner, batch):
        losses = learner.descend_each(batch)
        change(learner)
        learner.descend_each(batch if learner.loss is el.cross_entropy else batch | {"y": torch.ones(1, 4).double()})
        learner.descend_each(batch if learner.loss is el.cross_entropy else batch | {"y": torch.ones(1, 4).double()})
        return losses

    compiled = make_learner(method)
    readable = make_learner(method, forward=lambda model, batch: model(batch["x"]))
    for learner in (compiled, readable):
        learner.learn(toy(1)[0])
    for ours, theirs in zip(compiled.model.parameters(), readable.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_gradients_that_are_turned_off_between_two_steps_are_missed_on_both_paths(make_learner, toy):
    def method(learner, batch):
        learner.descend_each(batch)
        with torch.no_grad():
            return learner.descend_each(batch)

    for given in ({}, {"forward": lambda model, batch: model(batch["x"])}):
        with pytest.raises(RuntimeError, match="does not require grad"):
            make_learner(method, **given).learn(toy(1)[0])


def test_a_change_of_the_weights_behind_the_learner_is_told_and_kept(make_learner, toy):
    def method(learner, batch):
        model = learner.model
        losses = learner.descend_each(batch)
        with torch.no_grad():
            model[0].weight.fill_(7.0)
        return losses

    learner = make_learner(method)
    with pytest.raises(el.InputError, match=r"ask for learner\.model anew after each step"):
        learner.learn(toy(1)[0])
    assert (learner.model[0].weight == 7).all()


def test_a_point_may_carry_gradients(make_learner, toy):
    def method(learner, batch):
        before = {name: p.clone() for name, p in learner.model.named_parameters()}
        losses = learner.descend_each(batch)
        learner.move_from(before, 0.5)
        return losses

    compiled = make_learner(method)
    readable = make_learner(method, forward=lambda model, batch: model(batch["x"]))
    for learner in (compiled, readable):
        learner.learn(toy(1)[0])
    for ours, theirs in zip(compiled.model.parameters(), readable.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_a_state_holds_plain_tensors(make_learner, toy, tmp_path):
    learner = make_learner(el.Reptile())
    learner.learn(toy(1)[0])
    torch.save(learner.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert all(tensor.is_contiguous() for tensor in state["method"]["start"].values())


def test_a_copy_made_within_a_method_is_not_learning(make_learner, toy):
    copies = []

    def method(learner, batch):
        copies.append(copy.deepcopy(learner))
        return learner.descend_each(batch)

    make_learner(method).learn(toy(1)[0])
    model, before = copies[0]._model, copies[0].snapshot()
    copies[0].descend_each(toy(1)[0])
    assert not torch.equal(model[0].weight, before["0.weight"])


def test_a_copy_made_after_a_step_has_it(make_learner, toy):
    copies = []

    def method(learner, batch):
        losses = learner.descend_each(batch)
        copies.append(copy.deepcopy(learner))
        return losses

    learner = make_learner(method)
    learner.learn(toy(1)[0])
    assert torch.equal(copies[0]._model[0].weight, learner.model[0].weight)


def test_what_goes_wrong_within_a_method_leaves_the_model_whole(make_learner, toy):
    def stopped(learner, batch):
        learner.descend_each(batch)
        raise KeyboardInterrupt

    learner, single = make_learner(stopped), make_learner(el.Reptile())
    with pytest.raises(KeyboardInterrupt):
        learner.learn(toy(1)[0])
    single.learn(toy(1)[0])
    for ours, theirs in zip(learner.model.parameters(), single.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_learning_rate_is_read_at_every_call(make_learner, toy):
    learner = make_learner(el.Reptile(), lr=0.5)
    readable = make_learner(el.Reptile(), lr=0.5, forward=lambda model, batch: model(batch["x"]))
    for one in (learner, readable):
        schedule = torch.optim.lr_scheduler.StepLR(one.optimizer, step_size=1, gamma=0.5)
        for row in toy(5):
            one.learn(row)
            schedule.step()
    for ours, theirs in zip(learner.model.parameters(), readable.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_a_graph_from_before_cannot_be_used_after(make_learner, toy):
    """torch notices that the weights changed in place, as after its own optimizers."""
    learner = make_learner(el.Reptile())
    loss = learner.model(toy(1)[0]["x"]).square().sum()
    learner.learn(toy(1)[0])
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda learner: pickle.loads(pickle.dumps(learner))])
def test_a_copy_of_a_learner_learns_on_its_own(learned, toy, duplicate):
    twin = duplicate(learned)
    before = [p.clone() for p in learned.model.parameters()]
    for row in toy(3, seed=4):
        twin.learn(row)
    assert twin.path == "compiled"
    assert all(map(torch.equal, learned.model.parameters(), before))
    for row in toy(3, seed=4):
        learned.learn(row)
    assert all(map(torch.equal, learned.model.parameters(), twin.model.parameters()))


def test_a_learner_that_is_dropped_takes_its_buffers_along(make_learner, toy):
    learner = make_learner(el.MER())
    learner.learn(toy(1)[0])
    gone = weakref.ref(learner)
    del learner
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("widths", [[256, 8, 3], [256, 5, 512, 2], [7, 1]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_are_taken_as_they_are_however_they_lie(widths, dtype):
    model = el.mlp(widths).to(dtype)
    model[0].weight.data = model[0].weight.data.t().contiguous().t() if widths[1] == 8 else model[0].weight.data
    twin = Perceptron(model)
    for seed in (1, 2):
        model.load_state_dict(el.mlp(widths, seed=seed).to(dtype).state_dict())
        twin.take()
        taken = twin.snapshot()
        assert all(torch.equal(taken[name], parameter) for name, parameter in model.named_parameters())
