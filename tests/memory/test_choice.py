"""Rows are chosen by the very numbers that they have."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import everlearn as el
from everlearn.memory.choice import having, older

BEGIN = 1_764_000_000


@pytest.mark.parametrize("dtype", [torch.int64, torch.float64])
@pytest.mark.parametrize("on_disk", [False, True])
def test_times_a_second_apart_are_told_apart(dtype, on_disk, tmp_path):
    def memory(name):
        made = el.Fifo(9, path=tmp_path / name if on_disk else None)
        made.add({"when": BEGIN + torch.tensor([0, 1, 50, 100]).to(dtype)})
        return made

    def left(made):
        return (made.held()["when"] - BEGIN).tolist()

    for value in (BEGIN + 1, float(BEGIN + 1), [BEGIN + 1, BEGIN + 2], {BEGIN + 1}, BEGIN + 0.5):
        made, is_there = memory(f"{value}"), value != BEGIN + 0.5
        assert made.delete(when=value) == is_there
        assert left(made) == ([0, 50, 100] if is_there else [0, 1, 50, 100])
    for bound, rest in ((BEGIN + 50, [50, 100]), (BEGIN + 50.0, [50, 100]), (BEGIN + 0.5, [1, 50, 100])):
        made = memory(f"below {bound!r}")
        made.expire(older_than=bound)
        assert left(made) == rest
    assert memory("beyond").delete(when=[float("inf"), -(2.0**63)]) == 0
    assert memory("all").expire(older_than=float("inf")) == 4
    assert memory("none").expire(older_than=float("-inf")) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_fraction_is_found_in_the_dtype_of_its_column(dtype):
    memory = el.Fifo(9)
    memory.add({"share": torch.tensor([0.1, 0.2, 0.3], dtype=dtype)})
    assert memory.delete(share=[0.1, 0.3]) == 2
    assert memory.held()["share"].tolist() == torch.tensor([0.2], dtype=dtype).tolist()


WHOLE = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.int64]


@given(st.sampled_from(WHOLE), st.data())
def test_whole_numbers_are_compared_as_such_whatever_their_dtype(dtype, data):
    least, most = (0, 1) if dtype is torch.bool else (torch.iinfo(dtype).min, torch.iinfo(dtype).max)
    held = data.draw(st.lists(st.integers(least, most), min_size=1, max_size=5))
    batch = {"key": torch.tensor(held).to(dtype)}
    near = st.sampled_from([value + step for value in held for step in (-1, 0, 1, 2**8, 2**16, 2**32)])
    far = near.filter(lambda value: -(2**63) <= value < 2**63) | st.integers(-(2**63), 2**63 - 1)
    values = data.draw(st.lists(far, min_size=1, max_size=3) | st.lists(st.floats(), min_size=1, max_size=3))
    assert having({"key": values})(batch).tolist() == [value in values for value in held]
    bound = data.draw(near | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False))
    assert older(bound, "key")(batch).tolist() == [value < bound for value in held]


def test_a_value_beyond_a_column_s_is_not_its_infinity():
    batch = {"share": torch.tensor([math.inf, 1.0]).half()}
    assert having({"share": 1e6})(batch).tolist() == [False, False]
    assert having({"share": math.inf})(batch).tolist() == [True, False]


def test_in_ram_there_is_nothing_to_mend():
    memory = el.Reservoir(5)
    memory.add({"x": torch.arange(5)})
    assert memory.mend() == 0
    assert len(memory) == 5
