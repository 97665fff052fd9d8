"""First in, first out: always the last rows."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import everlearn as el


@given(st.integers(1, 7), st.lists(st.integers(0, 12), max_size=8))
def test_it_holds_the_last_rows_in_order(capacity, sizes):
    memory, came = el.Fifo(capacity), 0
    for size in sizes:
        memory.add({"n": torch.arange(came, came + size)})
        came += size
    assert (len(memory), memory.seen) == (min(came, capacity), came)
    if came:
        assert memory.held()["n"].tolist() == list(range(max(0, came - capacity), came))
    else:
        assert memory.held() == {} == memory.sample(3)


def test_rows_are_drawn_uniformly():
    memory = el.Fifo(4, seed=1)
    memory.add({"n": torch.arange(10)})
    times = torch.bincount(torch.cat([memory.sample(4)["n"] for _ in range(2000)]), minlength=10)
    assert times[:6].sum() == 0
    assert (times[6:] - 2000).abs().max() < 5 * (8000 * 3 / 16) ** 0.5


@pytest.mark.parametrize("came", [3, 9])
def test_a_resumed_one_goes_on_as_if_it_had_never_stopped(came):
    memory, resumed = el.Fifo(5, seed=1), el.Fifo(5, seed=2)
    memory.add({"n": torch.arange(came)})
    resumed.load_state_dict(memory.state_dict())
    for one in (memory, resumed):
        one.add({"n": torch.arange(100, 103)})
    assert memory.sample(5)["n"].tolist() == resumed.sample(5)["n"].tolist()
    assert memory.held()["n"].tolist() == resumed.held()["n"].tolist()


@pytest.mark.parametrize("other", [el.Reservoir(4), el.Ring(4, tasks=2)])
def test_the_state_of_another_rule_is_refused(other):
    own = el.Fifo(4)
    with pytest.raises(el.InputError, match="the saved memory is a (reservoir|ring) of capacity 4.*this one a fifo"):
        own.load_state_dict(other.state_dict())
    with pytest.raises(el.InputError, match="the saved memory is a fifo of capacity 4, this one a (reservoir|ring)"):
        other.load_state_dict(own.state_dict())


def test_bad_input():
    with pytest.raises(el.InputError, match="capacity must be at least 1"):
        el.Fifo(0)
    with pytest.raises(el.InputError, match="n must be at least 0, not -1"):
        el.Fifo(3).sample(-1)
    with pytest.raises(el.InputError, match="the saved memory is a fifo of capacity 3, this one a fifo of capacity 4"):
        el.Fifo(4).load_state_dict(el.Fifo(3).state_dict())
