from math import sqrt

import pytest
import torch
from torch import nn

import everlearn as el

MODELS = [
    pytest.param(lambda **given: el.mlp([50, 40, 3], **given), id="mlp"),
    pytest.param(lambda **given: el.nature(3, 2, **given), id="nature"),
]


def layers(model):
    return [layer for layer in model if isinstance(layer, nn.Linear | nn.Conv2d)]


@pytest.mark.parametrize("make", MODELS)
def test_xavier_s_weights_have_no_biases(make):
    for layer in layers(make()):
        bound = sqrt(6 / sum(nn.init._calculate_fan_in_and_fan_out(layer.weight)))
        assert 0.8 * bound < layer.weight.abs().max() <= bound
        assert not layer.bias.any()


@pytest.mark.parametrize("make", MODELS)
def test_torch_s_weights_are_as_large_as_those_of_its_own_layers(make):
    for layer in layers(make(initial="torch")):
        bound = 1 / sqrt(layer.weight[0].numel())
        assert all(0.3 * bound < p.abs().max() <= bound for p in layer.parameters())
        before = layer.weight.std()
        layer.reset_parameters()
        torch.testing.assert_close(layer.weight.std(), before, rtol=0.2, atol=0)


@pytest.mark.parametrize("initial", ["xavier", "torch"])
@pytest.mark.parametrize("make", MODELS)
def test_equal_seeds_give_equal_weights(make, initial):
    one, same, other = (make(initial=initial, seed=seed) for seed in (1, 1, 2))
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


def test_other_initial_weights_are_refused():
    with pytest.raises(el.InputError, match="initial must be one of xavier, torch, not 'zero'"):
        el.mlp([2, 3], initial="zero")
