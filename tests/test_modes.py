import pytest
import torch
from torch import nn

from everlearn.modes import evaluation_mode


class Counting(nn.Module):
    """Counts how often it is told its mode, by a way of its own to set attributes."""

    told = 0

    def __setattr__(self, name, value):
        if name == "training":
            type(self).told += 1
        super().__setattr__(name, value)

    def forward(self, x):
        return x


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "wrap",
    [lambda model: model, torch.jit.script, lambda model: torch.compile(model, backend="eager")],
    ids=["plain", "script", "compile"],
)
def test_dropout_is_off_within_and_modes_are_as_before(wrap):
    inner = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)))
    inner[1][1].eval()
    model, x = wrap(inner), torch.ones(64, 2)
    before = [module.training for module in model.modules()]
    with evaluation_mode(model):
        assert torch.equal(model(x), inner[1][0](x))
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == before
    assert not torch.equal(model(x), inner[1][0](x))


def test_a_modules_own_way_to_set_attributes_is_heard():
    model, before = Counting(), Counting.told
    with evaluation_mode(model):
        assert (model.training, Counting.told) == (False, before + 1)
    assert (model.training, Counting.told) == (True, before + 2)
