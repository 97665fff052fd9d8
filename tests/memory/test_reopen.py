"""A memory is made again from its folder alone, whatever kind it is of."""

import pytest
import torch

import everlearn as el
from everlearn import memory as memories
from everlearn.memory.reopen import reopen

MORE = {"Ring": {"tasks": 2}, "Balanced": {"by": "task"}}


@pytest.mark.parametrize("name", memories.__all__)
def test_each_kind_is_known_by_its_rule(name, tmp_path):
    rows = {"id": torch.arange(40), "task": torch.arange(40) // 20, "weight": torch.ones(40)}
    made = getattr(el, name)(10, path=tmp_path, **MORE.get(name, {}))
    made.add(rows)
    before, rule = made.held(), made.rule
    made.close()
    again = reopen(tmp_path)
    assert type(again) is type(made)
    assert again.rule == rule
    assert all(torch.equal(values, again.held()[column]) for column, values in before.items())
