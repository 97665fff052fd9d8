"""A frozen copy gives what its model gave, on either path."""

import copy
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import everlearn as el
from everlearn.fast import Frozen


@given(
    st.lists(st.integers(1, 20), min_size=2, max_size=5),
    st.integers(1, 7),
    st.sampled_from([nn.ReLU, nn.Tanh]),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_perceptrons(widths, rows, activation, dtype):
    model = el.mlp(widths, activation).to(dtype)
    frozen, x = Frozen(model), torch.randn(rows, widths[0], dtype=dtype)
    assert frozen._twin is not None
    assert frozen(x).shape == (rows, widths[-1])
    torch.testing.assert_close(frozen(x), model(x).detach())


def odd():
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 3))


def flattening():
    return nn.Sequential(nn.Flatten(), *el.mlp([4, 5, 3]))


@pytest.mark.parametrize("make", [lambda: el.mlp([4, 5, 3]), odd, flattening])
def test_it_stays_until_it_becomes_another(make):
    model, other = make(), make()
    frozen, x = Frozen(model), torch.randn(6, 4) if make is not flattening else torch.randn(6, 2, 2)
    before = model.eval()(x).detach()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    torch.testing.assert_close(frozen(x), before)
    assert not frozen(x).requires_grad
    for twin in (copy.deepcopy(frozen), pickle.loads(pickle.dumps(frozen))):
        torch.testing.assert_close(twin(x), before)
    frozen.become(other.state_dict())
    torch.testing.assert_close(frozen(x), other.eval()(x).detach())
    assert all(torch.equal(own, other.state_dict()[name]) for name, own in frozen.state_dict().items())


def test_rows_that_the_kernel_does_not_take_go_to_the_model():
    frozen = Frozen(el.mlp([4, 3]))
    assert frozen(torch.zeros(2, 5, 4)).shape == (2, 5, 3)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        frozen(torch.zeros(2, 5))
    with pytest.raises(RuntimeError, match="dtype"):
        frozen(torch.zeros(2, 4).double())
    assert frozen(torch.full((1, 4), float("nan"))).isnan().all()
