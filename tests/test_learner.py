"""The learner: what it takes, what it refuses, and what it leaves alone."""

import pytest
import torch
from torch import nn

import everlearn as el


def weights(learner):
    return nn.utils.parameters_to_vector(learner.model.parameters()).detach().clone()


def test_descend_steps_on_the_weighted_mean(make_learner, toy):
    learner = make_learner(el.Online())
    rows = toy(3)
    batch = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    weight = torch.tensor([1.0, 0.5, 3.0])
    losses = nn.functional.cross_entropy(learner.model(batch["x"]), batch["y"], reduction="none")
    gradient = torch.autograd.grad((weight * losses).sum() / 3, list(learner.model.parameters()))
    expected = [p - 0.1 * g for p, g in zip(learner.model.parameters(), gradient, strict=True)]
    torch.testing.assert_close(learner.descend(batch, weight), losses.detach())
    for ours, theirs in zip(learner.model.parameters(), expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_descend_each_is_one_step_a_row_in_order(make_learner, toy):
    each, single = make_learner(el.Online()), make_learner(el.Online())
    rows = toy(4)
    weight = torch.tensor([1.0, 0.5, 3.0, 2.0])
    losses = each.descend_each({name: torch.cat([row[name] for row in rows]) for name in rows[0]}, weight)
    expected = [single.descend(row, factor[None]) for row, factor in zip(rows, weight, strict=True)]
    assert torch.equal(losses, torch.cat(expected))
    assert torch.equal(weights(each), weights(single))
    assert each.steps == 4


@pytest.mark.parametrize("give", [tuple, list, lambda pair: {"x": pair[0], "y": pair[1]}])
def test_pairs_and_mappings_are_batches(make_learner, give):
    learner = make_learner(el.ER())
    loss = learner.learn(give((torch.zeros(2, 3).double(), torch.tensor([0, 1]))))
    assert loss.item() == pytest.approx(torch.log(torch.tensor(4.0)).item(), abs=1e-6)


def test_a_data_loader_is_a_stream(make_learner):
    data = torch.utils.data.TensorDataset(torch.randn(10, 3).double(), torch.randint(4, (10,)))
    learner = make_learner(el.MER())
    for batch in torch.utils.data.DataLoader(data, batch_size=4):
        learner.learn(batch)
    assert len(learner.memory) == 10


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((torch.zeros(2, 3), torch.zeros(3)), "equally many rows: x has 2, y has 3"),
        ({"x": torch.zeros(0, 3)}, "at least one row"),
        ({}, "a batch is a mapping of columns"),
        (torch.zeros(3), "not a Tensor"),
        ((torch.zeros(3), torch.zeros(3), torch.zeros(3)), "not a tuple of 3"),
        ((torch.zeros(1, 3), torch.tensor(1)), "column 'y' has no rows"),
        ({"x": ["a"], "y": [1]}, "column 'x' cannot become a tensor"),
        ({"x": torch.tensor([[0, float("nan"), 0]]), "y": torch.tensor([1])}, "column 'x' holds NaN or infinity"),
        ({"x": torch.zeros(1, 3).double(), "y": torch.tensor([4])}, "label 4 .* 4 outputs, labels 0 to 3"),
        ({"x": torch.zeros(1, 3).double(), "y": torch.tensor([-1])}, "label -1 "),
        ({"x": torch.zeros(1, 3).double(), "y": torch.tensor([0.5])}, "integer labels|column 'y' changed"),
        ({"x": torch.zeros(1, 3).double()}, "column 'y'"),
        ({"z": torch.zeros(1, 3).double()}, "column '[xyz]'"),
    ],
)
@pytest.mark.parametrize("method", [el.MER(), el.ER(), el.Online()])
def test_a_bad_batch_is_refused_and_nothing_is_learned(make_learner, toy, method, batch, message):
    learner = make_learner(method)
    learner.learn({name: toy(1)[0][name] for name in ("x", "y")})
    before = weights(learner)
    held = len(learner.memory)
    with pytest.raises(el.InputError, match=message):
        learner.learn(batch)
    assert torch.equal(weights(learner), before)
    assert len(learner.memory) == held


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"x": torch.zeros(1, 3).double()}, "cross_entropy needs the column 'y'; this batch has: x"),
        ({"z": torch.zeros(1, 3).double()}, "the default forward needs the column 'x'; this batch has: z"),
    ],
)
def test_a_missing_column_is_named_with_who_needs_it(make_learner, batch, message):
    with pytest.raises(el.InputError, match=message):
        make_learner(el.MER()).learn(batch)


@pytest.mark.parametrize("method", [el.MER(), el.ER(), el.MERBig(), el.MERCurrent(), el.MERBatches()])
def test_a_column_that_changes_is_refused_before_anything_is_learned(make_learner, toy, method):
    learner = make_learner(method)
    learner.learn(toy(1)[0])
    before = weights(learner)
    with pytest.raises(el.InputError, match="column 'x' changed: .*float32"):
        learner.learn(toy(1)[0] | {"x": torch.zeros(1, 3)})
    assert torch.equal(weights(learner), before)


def test_divergence_stops_before_the_step_that_it_would_spoil(make_learner, toy):
    learner = make_learner(el.Online(), lr=1e200)
    with pytest.raises(el.Diverged, match="no longer finite after .* lower learning rate"):
        [learner.learn(row) for row in toy(50)]
    assert weights(learner).isfinite().all()


def test_the_optimizer_must_hold_the_model(make_learner):
    other = el.mlp([3, 4])
    with pytest.raises(el.InputError, match=r"make it from model.parameters\(\)"):
        make_learner(el.Online(), optimizer=torch.optim.SGD(other.parameters(), 0.1))
    with pytest.raises(el.InputError, match=r"such as torch.optim.SGD\(.*, not a type"):
        make_learner(el.Online(), optimizer=torch.optim.SGD)


def test_a_torch_loss_module_must_keep_rows_apart(make_learner, toy):
    with pytest.raises(el.InputError, match=r"use CrossEntropyLoss\(reduction='none'\)"):
        make_learner(el.Online(), loss=nn.CrossEntropyLoss())
    module = make_learner(el.MER(), loss=nn.CrossEntropyLoss(reduction="none"))
    function = make_learner(el.MER())
    for row in toy(5):
        assert torch.allclose(module.learn(row), function.learn(row), rtol=0, atol=1e-12)


def test_a_loss_that_averages_is_refused(make_learner, toy):
    learner = make_learner(el.Online(), loss=lambda output, batch: output.mean())
    with pytest.raises(el.InputError, match=r"one value per row, shape \(1,\), not \(\)"):
        learner.learn(toy(1)[0])


def test_forward_and_step_are_the_users_own(make_learner):
    model = nn.Bilinear(3, 3, 4).double()
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    norms = []

    def step(loss):
        sgd.zero_grad()
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), 1e-3).item())
        sgd.step()

    learner = make_learner(
        el.MER(batches=2), model=model, optimizer=sgd, step=step, forward=lambda m, batch: m(batch["a"], batch["b"])
    )
    before = weights(learner)
    learner.learn({"a": torch.ones(1, 3).double(), "b": torch.ones(1, 3).double(), "y": torch.tensor([1])})
    assert len(norms) == learner.steps == 2
    assert 0 < (weights(learner) - before).norm() <= 2e-4 + 1e-12


def test_regression_with_any_optimizer(make_learner):
    model = el.mlp([1, 16, 1])
    learner = make_learner(
        el.MER(batches=2, beta=0.5), model=model, loss=el.squared, optimizer=torch.optim.Adam(model.parameters(), 0.01)
    )
    x = torch.linspace(-1, 1, 64)[:, None]
    for i in torch.randperm(64, generator=torch.Generator().manual_seed(0)).repeat(3).tolist():
        learner.learn((x[i : i + 1], x[i : i + 1] ** 2))
    assert nn.functional.mse_loss(learner.predict((x, x)), x**2) < 0.01


def test_predict_puts_every_mode_back_and_keeps_no_gradients(make_learner):
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.BatchNorm1d(4))
    model[2].eval()
    learner = make_learner(el.Online(), model=model)
    statistics = model[2].running_mean.clone()
    output = learner.predict({"x": torch.randn(8, 3)})
    assert not output.requires_grad
    assert [module.training for module in model] == [True, True, False]
    assert torch.equal(model[2].running_mean, statistics)


def test_to_predict_does_not_call_train_which_may_change_the_model():
    class Merging(nn.Linear):
        def train(self, mode=True):
            raise AssertionError(f"was told to train: {mode}")

    model = nn.Sequential(Merging(2, 2), nn.Dropout())
    learner = el.Learner(model, torch.optim.SGD(model.parameters(), 0.1), el.cross_entropy, method=el.Online())
    x = torch.ones(1, 2)
    assert torch.equal(learner.predict({"x": x}), model[0](x))
    assert model[0].training
    assert model[1].training


def test_dropout_is_off_in_predict(make_learner):
    learner = make_learner(el.Online(), model=nn.Sequential(nn.Linear(3, 50), nn.Dropout(0.5), nn.Linear(50, 2)))
    x = torch.randn(4, 3)
    assert torch.equal(learner.predict({"x": x}), learner.predict({"x": x}))


class TestWhatAReptileStepMoves:
    """Trainable parameters; not buffers, not frozen weights, not the optimizer's state."""

    def test_frozen_weights_stay_and_tied_ones_move_once(self, make_learner):
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)).double()
        model[0].requires_grad_(False)
        model[2].weight = model[1].weight
        learner = make_learner(el.Online(), model=model, optimizer=torch.optim.SGD(model[1:].parameters(), 0.1))
        before, start = learner.snapshot(), model[1].weight.detach().clone()
        assert len(before) == 3
        frozen = model[0].weight.clone()
        with torch.no_grad():
            model[1].weight += 1
        learner.move_from(before, 0.25)
        torch.testing.assert_close(model[1].weight.detach(), start + 0.25)
        assert model[2].weight is model[1].weight
        assert torch.equal(model[0].weight, frozen)

    def test_buffers_stay(self, make_learner):
        model = nn.BatchNorm1d(3)
        learner = make_learner(el.Online(), model=model)
        before = learner.snapshot()
        model.running_mean.fill_(5)
        learner.move_from(before, 0.0)
        assert (model.running_mean == 5).all()

    def test_momentum_goes_through(self, make_learner, toy):
        """The velocity after MER is that of all s·k steps, shrunk by nothing."""
        model = el.mlp([3, 4]).double()
        learner = make_learner(
            el.MER(batches=1, replayed=0, beta=1e-9),
            model=model,
            optimizer=torch.optim.SGD(model.parameters(), 0.1, momentum=0.9),
        )
        row, before = toy(1)[0], weights(learner)
        learner.learn(row)
        torch.testing.assert_close(weights(learner), before, rtol=0, atol=1e-8)
        gradient = torch.autograd.grad(el.cross_entropy(model(row["x"]), row).mean(), model[0].weight)[0]
        velocity = learner.optimizer.state[model[0].weight]["momentum_buffer"]
        torch.testing.assert_close(velocity, gradient, rtol=0, atol=1e-6)

    def test_adam_counts_every_inner_step(self, make_learner, toy):
        model = el.mlp([3, 4]).double()
        adam = torch.optim.Adam(model.parameters(), 0.01)
        learner = make_learner(el.MER(batches=3, replayed=2), model=model, optimizer=adam)
        for row in toy(4):
            learner.learn(row)
        assert adam.state[model[0].weight]["step"].item() == learner.steps == 3 * (1 + 2 + 3 + 3)


class TestBatchNorm:
    """A single row is normalised by the running statistics, which whole batches update."""

    def model(self):
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 4)).double()

    @pytest.mark.parametrize("method", [el.Online(), el.ER(), el.MER(), el.MERBig(), el.MERCurrent(), el.Reptile()])
    def test_streams_of_single_rows_work(self, make_learner, toy, method):
        learner = make_learner(method, model=self.model())
        for row in toy(12):
            assert learner.learn(row).isfinite()
        assert all(module.training for module in learner.model.modules())

    def test_steps_on_rows_leave_the_statistics_and_the_batch_updates_them_once(self, make_learner, toy):
        learner = make_learner(el.Online(), model=self.model())
        rows = toy(6)
        batch = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
        hidden = learner.model[0](batch["x"]).detach().mean(0)
        learner.descend_each(batch)
        norm = learner.model[1]
        assert norm.num_batches_tracked == 1
        torch.testing.assert_close(norm.running_mean, 0.1 * hidden)
        learner.descend(rows[0])
        assert norm.num_batches_tracked == 1

    def test_statistics_frozen_by_the_user_stay(self, make_learner, toy):
        learner = make_learner(el.MER(), model=self.model())
        learner.model[1].eval()
        for row in toy(5):
            learner.learn(row)
        assert learner.model[1].num_batches_tracked == 0
        assert not learner.model[1].training


def test_parts_draw_apart_from_one_seed():
    """A method's draws can't repeat the memory's, whatever the seeds."""
    memory, model = el.Reservoir(5, seed=3), el.mlp([3, 4])
    learner = el.Learner(
        model, torch.optim.SGD(model.parameters(), 0.1), el.cross_entropy, memory=memory, method=el.Online(), seed=3
    )
    own = torch.rand(8, generator=learner.generator)
    theirs = torch.Generator()
    theirs.set_state(memory.state_dict()["generator"])
    assert (own != torch.rand(8, generator=theirs)).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_memory_stays_on_the_cpu_while_the_model_is_elsewhere(make_learner, toy):
    learner = make_learner(el.MER(), model=el.mlp([3, 8, 4]).double().cuda())
    for row in toy(10):
        learner.learn({name: values.cuda() for name, values in row.items()})
    assert learner.memory.sample(3)["x"].device.type == "cpu"


def test_of_a_batch_with_a_bad_label_only_the_rows_before_it_are_learned(make_learner, toy):
    rows = toy(3)
    batch = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    batch["y"][2] = 9
    by_row, at_once, expected = make_learner(el.MER()), make_learner(el.ER()), make_learner(el.MER())
    for row in rows[:2]:
        expected.learn(row)
    for learner in (by_row, at_once):
        with pytest.raises(el.InputError, match="label 9"):
            learner.learn(batch)
    assert torch.equal(weights(by_row), weights(expected))
    assert at_once.steps == len(at_once.memory) == 0


@pytest.mark.parametrize(
    ("output", "y", "message"),
    [
        (torch.zeros(2), torch.tensor([0, 1]), r"needs logits \(rows, classes, …\), not a tensor of shape \(2,\)"),
        ((torch.zeros(2, 3),), torch.tensor([0, 1]), "not tuple: pick them in forward="),
        (torch.zeros(2, 3), torch.tensor([[0], [1]]), r"one label in column 'y' for each of \(2,\), not \(2, 1\)"),
    ],
)
def test_cross_entropy_says_what_does_not_fit(output, y, message):
    with pytest.raises(el.InputError, match=message):
        el.cross_entropy(output, {"y": y})


def test_cross_entropy_averages_over_positions():
    output, y = torch.randn(2, 5, 7), torch.randint(5, (2, 7))
    expected = nn.functional.cross_entropy(output, y, reduction="none").mean(1)
    torch.testing.assert_close(el.cross_entropy(output, {"y": y}), expected)


def test_squared_refuses_shapes_that_would_broadcast():
    with pytest.raises(el.InputError, match=r"the output is \(4, 1\) and column 'y' \(4,\)"):
        el.squared(torch.zeros(4, 1), {"y": torch.zeros(4)})


def test_what_torch_refuses_is_told_with_the_batch(make_learner):
    learner = make_learner(el.Online(), model=el.mlp([3, 4]))
    with pytest.raises(RuntimeError, match="dtype") as caught:
        learner.learn((torch.zeros(1, 3).double(), torch.tensor([1])))
    assert caught.value.__notes__ == ["The batch was: x (1, 3) torch.float64, y (1,) torch.int64"]


def test_weights_that_are_not_finite_are_not_saved_over_good_ones(make_learner, tmp_path):
    learner = make_learner(el.Online())
    learner.save(tmp_path / "file")
    good = (tmp_path / "file").read_bytes()
    with torch.no_grad():
        learner.model[0].weight[0, 0] = float("nan")
    with pytest.raises(el.Diverged, match="0.weight holds NaN or infinity: it was not saved"):
        learner.save(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == good


@pytest.mark.parametrize("method", [el.Reptile(steps=4), el.MER()])
def test_a_state_is_a_copy_that_serves_more_than_once(make_learner, toy, method):
    def adam():
        model = el.mlp([3, 4]).double()
        return make_learner(method, model=model, optimizer=torch.optim.Adam(model.parameters(), 0.01))

    first, stream = adam(), toy(9)
    for row in stream[:5]:
        first.learn(row)
    state = first.state_dict()
    ends = []
    for learner in (first, adam(), adam()):
        learner.load_state_dict(state)
        for row in stream[5:]:
            learner.learn(row)
        ends.append(weights(learner))
    assert torch.equal(ends[0], ends[1])
    assert torch.equal(ends[0], ends[2])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            {"widths": (3, 6, 4)},
            r"the saved model is another: its 0\.bias is \(5,\) float64, here it is \(6,\) float64",
        ),
        ({"widths": (3, 5, 5, 4)}, "the saved model is another: its 2.bias"),
        ({"memory": el.Reservoir(21)}, "of capacity 20, this one a reservoir of capacity 21"),
    ],
)
def test_a_state_of_another_learner_is_refused_and_nothing_changes(make_learner, toy, other, message):
    saved = make_learner(el.MER())
    saved.learn(toy(1)[0])
    learner = make_learner(el.MER(), **other)
    before = weights(learner)
    with pytest.raises(el.InputError, match=message):
        learner.load_state_dict(saved.state_dict())
    assert torch.equal(weights(learner), before)
    assert learner.steps == len(learner.memory) == 0


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("torch", torch.zeros(3), "its torch is no generator's"),
        ("generator", 5, "its generator is no generator's"),
        ("method", 5, "its method or its steps are something else"),
        ("steps", "x", "its method or its steps are something else"),
        ("steps", -1, "its method or its steps are something else"),
        ("model", el.mlp([3, 5, 4]).state_dict(), r"its 0.bias is \(5,\) float32, here it is \(5,\) float64"),
    ],
)
def test_a_state_with_a_foreign_part_is_refused_and_nothing_changes(make_learner, toy, part, value, message):
    learner = make_learner(el.MER())
    for row in toy(5):
        learner.learn(row)
    before, held = weights(learner), learner.memory.held()["x"].clone()
    with pytest.raises(el.InputError, match=message):
        learner.load_state_dict(make_learner(el.MER(), seed=3).state_dict() | {part: value})
    assert torch.equal(weights(learner), before)
    assert torch.equal(learner.memory.held()["x"], held)


@pytest.mark.parametrize(
    ("change", "message"), [({"lr": "x"}, "'x' as its lr, this one 0.1"), ({}, "nothing as its lr")]
)
def test_an_optimizers_settings_are_numbers_where_ours_are(make_learner, toy, change, message):
    learner = make_learner(el.MER())
    state = learner.state_dict()
    group = state["optimizer"]["param_groups"][0]
    del group["lr"]
    group.update(change)
    with pytest.raises(el.InputError, match=message):
        learner.load_state_dict(state)


def test_a_state_of_an_optimizer_with_other_groups_is_refused(make_learner):
    def two_groups():
        model = el.mlp([3, 5, 4]).double()
        groups = [{"params": list(model[0].parameters())}, {"params": list(model[2].parameters())}]
        return make_learner(el.MER(), model=model, optimizer=torch.optim.SGD(groups, lr=0.1))

    learner = make_learner(el.MER())
    with pytest.raises(el.InputError, match=r"the saved SGD has groups of \[2, 2\] parameters, this one of \[4\]"):
        learner.load_state_dict(two_groups().state_dict())


def test_what_the_loop_needs_besides_is_saved_too(make_learner, tmp_path):
    learner = make_learner(el.MER())
    also = {"position": 12, "scheduler": {"last": [0.5, None]}, "seen": torch.arange(3)}
    learner.save(tmp_path / "file", also=also)
    found = make_learner(el.MER()).load(tmp_path / "file")
    assert (found["position"], found["scheduler"], found["seen"].tolist()) == (12, {"last": [0.5, None]}, [0, 1, 2])
    learner.save(tmp_path / "file")
    assert learner.load(tmp_path / "file") is None


def test_losses_are_those_of_evaluation_mode_and_nothing_is_learned(make_learner, toy):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 4)).double()
    learner = make_learner(el.MER(), model=model)
    batch = {name: torch.cat([row[name] for row in toy(6)]) for name in ("x", "y")}
    before = weights(learner)
    losses = learner.losses(batch)
    assert torch.equal(losses, nn.functional.cross_entropy(learner.predict(batch), batch["y"], reduction="none"))
    assert not losses.requires_grad
    assert model.training
    assert torch.equal(weights(learner), before)
    assert torch.equal(learner.losses((batch["x"], batch["y"])), losses)


def test_a_state_of_another_optimizer_or_without_a_memory_is_refused(make_learner):
    model = el.mlp([3, 5, 4]).double()
    adam = make_learner(el.MER(), model=model, optimizer=torch.optim.Adam(model.parameters()))
    with pytest.raises(el.InputError, match="the saved optimizer is SGD, this one Adam"):
        adam.load_state_dict(make_learner(el.MER()).state_dict())
    sgd = torch.optim.SGD(model.parameters(), 0.1)
    without = el.Learner(model, sgd, el.cross_entropy, method=el.Online())
    with pytest.raises(el.InputError, match="has a memory, unlike this one"):
        without.load_state_dict(make_learner(el.MER()).state_dict())
    with pytest.raises(el.InputError, match="has no memory, unlike this one"):
        make_learner(el.MER()).load_state_dict(without.state_dict())
    with pytest.raises(el.InputError, match="not the state of a learner"):
        without.load_state_dict({"model": {}})


def test_an_optimizers_notes_of_another_model_are_refused_before_anything_changes(make_learner, toy):
    model = el.mlp([3, 5, 4]).double()
    learner = make_learner(el.MER(), model=model, optimizer=torch.optim.Adam(model.parameters()))
    learner.learn(toy(1)[0])
    state = learner.state_dict()
    state["optimizer"]["state"][1]["exp_avg"] = torch.zeros(4)
    learner.learn(toy(1)[0])
    before = weights(learner)
    message = r"the saved Adam is of another model: its exp_avg of parameter 1 is \(4,\), here it is \(5,\)"
    with pytest.raises(el.InputError, match=message):
        learner.load_state_dict(state)
    state["optimizer"]["state"] = {99: {}}
    with pytest.raises(el.InputError, match="the saved Adam has notes of 99, which is none of its parameters"):
        learner.load_state_dict(state)
    for damaged in ({"optimizer": 3}, {"optimizer": {"name": "Adam"}}, {"model": [1]}):
        with pytest.raises(el.InputError, match="this is not the state of a learner: "):
            learner.load_state_dict(learner.state_dict() | damaged)
    assert torch.equal(weights(learner), before)


def test_a_reptile_step_moves_what_its_snapshot_holds(make_learner):
    """Freezing and unfreezing in between does not mix layers up, even of equal shapes."""
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)).double()
    learner = make_learner(el.Online(), model=model)
    model[1].requires_grad_(False)
    before, second = learner.snapshot(), model[1].weight.clone()
    model.requires_grad_(True)
    model[0].requires_grad_(False)
    learner.move_from(before, 0.0)
    assert torch.equal(model[0].weight, before["0.weight"])
    assert torch.equal(model[1].weight, second)


def test_negative_seeds_are_refused():
    with pytest.raises(el.InputError, match="seed must be at least 0, not -1"):
        el.Reservoir(5, seed=-1)
