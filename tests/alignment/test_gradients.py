"""Dot products equal autograd's, and mean what they are said to mean."""

from importlib import import_module

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import everlearn as el
from everlearn.alignment import gradients, products, task_matrix


def learner_of(model, loss=el.cross_entropy, **rest):
    sgd = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    return el.Learner(model, sgd, loss, method=el.Online(), **rest)


def autograd(learner, batch):
    """(rows, parameters) the plain way, in evaluation mode."""
    learner.model.eval()
    each = []
    for i in range(len(batch["y"])):
        row = {name: values[i : i + 1] for name, values in batch.items()}
        loss = learner.loss(learner.forward(learner.model, row), row).sum()
        parts = torch.autograd.grad(
            loss, [p for p in learner.model.parameters() if p.requires_grad], materialize_grads=True
        )
        each.append(torch.cat([part.flatten() for part in parts]))
    learner.model.train()
    return torch.stack(each)


def assert_right(learner, new, old):
    ours, one, other = products(learner, new, old), autograd(learner, new), autograd(learner, old)
    torch.testing.assert_close(ours.dot(), one @ other.T, rtol=0, atol=1e-10)
    cosines = nn.functional.normalize(one) @ nn.functional.normalize(other).T
    torch.testing.assert_close(ours.cosine(), cosines, rtol=0, atol=1e-10)
    torch.testing.assert_close(torch.stack([ours.dot(layer) for layer in ours.layers]).sum(0), ours.dot())
    return ours


def drawn(rows, seed, inputs=6, classes=4):
    chance = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, inputs, generator=chance, dtype=torch.float64)
    return {"x": x, "y": torch.randint(classes, (rows,), generator=chance)}


@given(
    st.lists(st.integers(1, 7), max_size=3), st.integers(1, 5), st.integers(1, 5), st.sampled_from([nn.ReLU, nn.Tanh])
)
def test_perceptrons(hidden, new, old, activation):
    learner = learner_of(el.mlp([6, *hidden, 4], activation).double())
    assert_right(learner, drawn(new, 1), drawn(old, 2))


def shared(layer):
    """A layer that is called twice."""
    return nn.Sequential(layer, nn.Tanh(), layer)


def tied():
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.Linear(6, 4))
    model[2].weight = model[0].weight
    return model


def frozen():
    model = el.mlp([6, 5, 4])
    model[0].requires_grad_(False)
    return model


def frozen_bias():
    model = el.mlp([6, 5, 4])
    model[0].bias.requires_grad_(False)
    return model


class _Autoencoder(nn.Module):
    """A layer whose weight is used outside of its call."""

    def __init__(self):
        super().__init__()
        self.fc, self.head = nn.Linear(6, 5), nn.Linear(6, 4)

    def forward(self, x):
        return self.head(torch.tanh(self.fc(x)) @ self.fc.weight)


class _BiasTwice(nn.Module):
    """A layer whose bias is used outside of its call."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 4)
        nn.init.normal_(self.fc.bias)

    def forward(self, x):
        return torch.tanh(self.fc(x)) * self.fc.bias


class _ByName(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.aside = nn.Linear(6, 4), nn.Linear(6, 4)

    def forward(self, x):
        self.aside(x)
        return self.fc(input=x)


class _Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.spare = nn.Linear(6, 4), nn.Linear(6, 4)

    def forward(self, x):
        return self.used(x)


class _Recurrent(nn.Module):
    """Weights that its layer holds under other names too."""

    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.LSTM(2, 5, batch_first=True), nn.Linear(5, 4)

    def forward(self, x):
        return self.head(self.cell(x.unflatten(1, (3, 2)))[0][:, -1])


class _OneWeightTwice(nn.Module):
    """One parameter under two names of the same module, and a buffer."""

    def __init__(self):
        super().__init__()
        self.first = nn.Parameter(torch.randn(4, 6))
        self.second = self.first
        self.register_buffer("scale", torch.arange(6.0))

    def forward(self, x):
        return torch.tanh(x) @ self.first.T + (self.scale * x) @ self.second.T


class _LooksAtValues(nn.Module):
    """A path that depends on the row."""

    def __init__(self):
        super().__init__()
        self.one, self.other, self.norm = nn.Linear(6, 4), nn.Linear(6, 4), nn.LayerNorm(4)

    def forward(self, x):
        return self.norm(torch.stack([(self.one if row.sum() > 0 else self.other)(row) for row in x]))


class _Aside(nn.Module):
    """A layer that the model holds but not as a module: `functional_call` can't reach its second use."""

    def __init__(self):
        super().__init__()
        self.norm, self.fc = nn.LayerNorm(6), nn.Linear(6, 4)
        self.also = (self.fc.weight,)

    def forward(self, x):
        return self.fc(self.norm(x)) + torch.tanh(x) @ self.also[0].T


MODELS = {
    "recurrent": _Recurrent,
    "one weight twice": _OneWeightTwice,
    "a path by values": _LooksAtValues,
    "a weight held aside": _Aside,
    "attention": lambda: nn.Sequential(
        nn.Unflatten(1, (3, 2)),
        nn.TransformerEncoderLayer(2, 1, 4, dropout=0.0, batch_first=True),
        nn.Flatten(),
        nn.Linear(6, 4),
    ),
    "no bias": lambda: nn.Sequential(nn.Linear(6, 5, bias=False), nn.ReLU(), nn.Linear(5, 4)),
    "dropout and BatchNorm": lambda: nn.Sequential(
        nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 4)
    ),
    "dropout": lambda: nn.Sequential(nn.Linear(6, 5), nn.Dropout(0.5), nn.Linear(5, 4)),
    "LayerNorm": lambda: nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.Linear(5, 4)),
    "a layer called twice": lambda: nn.Sequential(shared(nn.Linear(6, 6)), nn.Linear(6, 4)),
    "tied weights": tied,
    "a frozen layer": frozen,
    "a frozen bias": frozen_bias,
    "parametrized": lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(6, 5)), nn.Linear(5, 4)),
    "a layer never called": _Unused,
    "ReLU in place": lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(inplace=True), nn.Linear(5, 4)),
    "ELU in place": lambda: nn.Sequential(nn.Linear(6, 5), nn.ELU(inplace=True), nn.Linear(5, 4)),
    "a weight used outside": _Autoencoder,
    "a bias used outside": _BiasTwice,
    "called by name, and one that leads nowhere": _ByName,
}


@pytest.mark.parametrize("name", MODELS)
def test_any_module(name):
    torch.manual_seed(0)
    learner = learner_of(MODELS[name]().double())
    assert_right(learner, drawn(3, 1), drawn(4, 2))
    assert all(module.training for module in learner.model.modules())


def test_an_output_of_several_parts():
    model = nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.Linear(5, 4)).double()
    learner = learner_of(
        model, lambda out, batch: el.cross_entropy(out["logits"], batch), forward=lambda m, b: {"logits": m(b["x"])}
    )
    assert_right(learner, drawn(3, 1), drawn(4, 2))


def test_convolutions_and_heads():
    model = el.ConvNet([3, 4], filters=(3, 2), size=8).double()
    learner = learner_of(model, forward=lambda m, b: m(b["x"], b["task"]))
    torch.manual_seed(0)
    new, old = (
        {
            "x": torch.rand(n, 1, 8, 8, dtype=torch.float64),
            "y": torch.arange(n) % 3,
            "task": torch.arange(n) % 2,
        }
        for n in (3, 4)
    )
    ours = assert_right(learner, new, old)
    assert {"features.0", "features.1", "features.4", "features.5", "heads.parts.0", "heads.parts.1"} == set(
        ours.layers
    )
    assert (ours.dot("heads.parts.0")[1::2] == 0).all()


@pytest.mark.parametrize("loss", [el.squared, el.huber])
def test_other_losses(loss):
    learner = learner_of(el.mlp([6, 5, 2]).double(), loss)
    batch = {"x": torch.randn(3, 6).double(), "y": torch.randn(3, 2).double()}
    assert_right(learner, batch, batch)


def test_a_row_s_loss_is_its_own_though_the_loss_is_a_share_of_its_batch_s():
    model = nn.Sequential(nn.Embedding(7, 5), nn.Linear(5, 7)).double()
    learner = learner_of(model, el.next_token, forward=lambda model, batch: model(batch["input_ids"]))
    tokens = torch.randint(7, (3, 6), generator=torch.Generator().manual_seed(0))
    counted = torch.tensor([6, 4, 2])[:, None] > torch.arange(6)
    batch = {"input_ids": tokens, "labels": tokens.where(counted, -100), "y": torch.zeros(3)}
    assert_right(learner, batch, batch)


def test_the_memory_of_one_step_tells_the_change_of_another_loss():
    """−α ∇Lᵢ·∇Lⱼ is what a step on row i changes at row j, to first order (equations 1 and 2)."""
    learner = learner_of(el.mlp([6, 5, 4], nn.Tanh).double())
    learner.optimizer.param_groups[0]["lr"] = 1e-6
    new, old = drawn(1, 1), drawn(5, 2)
    dot = products(learner, new, old).dot()[0]
    before = learner.loss(learner.predict(old), old)
    learner.learn(new)
    change = learner.loss(learner.predict(old), old) - before
    torch.testing.assert_close(change / -1e-6, dot, rtol=1e-3, atol=1e-6)


def test_nothing_is_changed():
    learner = learner_of(nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 4)).double())
    before, generator = learner.state_dict(), torch.get_rng_state()
    gradients(learner, drawn(5, 1))
    for name, values in learner.state_dict()["model"].items():
        assert torch.equal(values, before["model"][name])
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(p.grad is None for p in learner.model.parameters())
    assert not any(module._forward_hooks for module in learner.model.modules())


def test_it_measures_where_gradients_are_off():
    learner = learner_of(el.mlp([6, 4]).double())
    with torch.no_grad():
        assert_shape = products(learner, drawn(2, 1), drawn(3, 2)).dot().shape
    assert assert_shape == (2, 3)


def test_a_gradient_of_zero_has_cosine_0():
    model = el.mlp([6, 2]).double()
    learner = learner_of(model, el.squared)
    x = torch.zeros(1, 6, dtype=torch.float64)
    batch = {"x": x, "y": model(x).detach()}
    assert products(learner, batch, batch).cosine().tolist() == [[0.0]]


def test_task_matrix_is_the_mean_over_pairs_of_different_rows():
    learner = learner_of(el.mlp([6, 5, 4]).double())
    batch = {**drawn(6, 3), "task": torch.tensor([7, 2, 7, 2, 2, 9])}
    ours, each = task_matrix(learner, batch), autograd(learner, batch)
    assert ours.tasks == [2, 7, 9]
    for i, one in enumerate(ours.tasks):
        for j, other in enumerate(ours.tasks):
            pairs = [
                (a, b)
                for a in range(6)
                for b in range(6)
                if a != b and batch["task"][a] == one and batch["task"][b] == other
            ]
            if not pairs:
                assert ours.dot[i, j].isnan()
                continue
            dots = torch.stack([each[a] @ each[b] for a, b in pairs])
            cosines = torch.stack([nn.functional.cosine_similarity(each[a], each[b], dim=0) for a, b in pairs])
            torch.testing.assert_close(ours.dot[i, j], dots.mean())
            torch.testing.assert_close(ours.cosine[i, j], cosines.mean())


def test_disjoint_parameters_neither_help_nor_hurt():
    """Riemer et al. 2019, appendix C."""
    model = el.ByTask([el.mlp([6, 5, 4]), el.mlp([6, 5, 4])]).double()
    learner = learner_of(model, forward=lambda m, b: m(b["x"], b["task"]))
    batch = {**drawn(4, 1), "task": torch.tensor([0, 0, 1, 1])}
    ours = task_matrix(learner, batch)
    assert ours.dot[0, 1] == ours.dot[1, 0] == 0
    assert ours.dot[0, 0] != 0


@pytest.mark.parametrize("name", ["LayerNorm", "attention", "a layer called twice", "tied weights", "parametrized"])
def test_one_pass_where_rows_can_be_vectorised(name, monkeypatch):
    learner = learner_of(MODELS[name]().double())
    parameters = dict(learner.model.named_parameters())
    monkeypatch.setattr(import_module("everlearn.alignment.gradients"), "_by_rows", None)
    assert_right(learner, drawn(3, 1), drawn(4, 2))
    assert all(p is parameters[name] for name, p in learner.model.named_parameters())
