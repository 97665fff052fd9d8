"""The reservoir: exact probabilities, exact columns, bounded space."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import everlearn as el


def numbers(start, n):
    return {"n": torch.arange(start, start + n)}


def held(memory):
    return memory.held()["n"].tolist()


@given(st.integers(1, 12), st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(0, 5))
def test_rows_at_once_are_rows_one_by_one(capacity, sizes, seed):
    many, single = el.Reservoir(capacity, seed=seed), el.Reservoir(capacity, seed=seed)
    start = 0
    for size in sizes:
        many.add(numbers(start, size))
        for n in range(start, start + size):
            single.add(numbers(n, 1))
        start += size
    assert held(many) == held(single)
    assert len(many) == min(capacity, start)
    assert many.seen == start


def test_every_row_is_held_with_the_same_probability():
    capacity, n, repeats = 10, 40, 4_000
    times = torch.zeros(n)
    for seed in range(repeats):
        memory = el.Reservoir(capacity, seed=seed)
        memory.add(numbers(0, n))
        times[held(memory)] += 1
    expected = repeats * capacity / n
    bound = 5 * math.sqrt(repeats * (capacity / n) * (1 - capacity / n))
    assert (times - expected).abs().max() < bound


def test_every_pair_is_held_with_the_same_probability():
    repeats, n, capacity = 6_000, 6, 3
    together = torch.zeros(n, n)
    for seed in range(repeats):
        memory = el.Reservoir(capacity, seed=seed)
        memory.add(numbers(0, n))
        rows = torch.tensor(held(memory))
        together[rows[:, None], rows] += 1
    p = capacity * (capacity - 1) / (n * (n - 1))
    pairs = together[~torch.eye(n, dtype=torch.bool)]
    assert (pairs - repeats * p).abs().max() < 5 * math.sqrt(repeats * p * (1 - p))


@pytest.mark.parametrize("replace", [True, False])
def test_draws_are_uniform(replace):
    memory = el.Reservoir(8, replace=replace)
    memory.add(numbers(0, 8))
    draws = torch.stack([memory.sample(3)["n"] for _ in range(4_000)])
    for place in range(3):
        times = torch.bincount(draws[:, place], minlength=8)
        assert (times - 500).abs().max() < 5 * math.sqrt(4_000 * (1 / 8) * (7 / 8))
    repeated = sum(len(set(draw)) < 3 for draw in draws.tolist()) / 4_000
    assert repeated == (pytest.approx(1 - 7 * 6 / 64, abs=0.03) if replace else 0)


def test_space_is_allocated_once_and_constant():
    memory = el.Reservoir(50)
    assert memory._rows._columns == {}
    memory.add(numbers(0, 1))
    place = memory._rows._columns["n"].data_ptr()
    for start in range(1, 5_000, 100):
        memory.add(numbers(start, 100))
    column = memory._rows._columns["n"]
    assert (column.data_ptr(), column.shape) == (place, (50,))


def test_memory_stays_on_the_cpu_and_holds_copies_without_gradients():
    memory = el.Reservoir(5)
    x = torch.ones(2, 3, requires_grad=True)
    memory.add({"x": x * 2})
    drawn = memory.sample(2)["x"]
    assert not drawn.requires_grad
    assert drawn.device.type == "cpu"


def test_a_window_that_slides_from_the_beginning_on_stays_held_and_one_cut_out_late_is_not():
    sliding, late, seen, window = el.Reservoir(1_000), el.Reservoir(1_000), 200_000, 20_000
    for start in range(0, seen, 1_000):
        sliding.add({"when": torch.arange(start, start + 1_000)})
        sliding.expire(start + 1_000 - window)
    assert len(sliding) > 800
    late.add({"when": torch.arange(seen)})
    late.expire(seen - window)
    assert len(late) == pytest.approx(1_000 * window / seen, rel=0.3)


@pytest.mark.parametrize("capacity", ["a", 1.5, True, None])
def test_what_is_no_number_of_rows_is_refused(capacity):
    for make in (el.Reservoir, el.Fifo, el.Balanced, el.Weighted, lambda n: el.BottomK(n, key="key")):
        with pytest.raises(el.InputError, match=f"capacity must be a whole number, not {capacity!r}"):
            make(capacity)
    memory = el.Reservoir(3)
    memory.add({"when": torch.arange(3)})
    for wrong in (None, "yesterday", float("nan")):
        with pytest.raises(el.InputError, match="older_than must be a number, not"):
            memory.expire(wrong)
    with pytest.raises(el.InputError, match="n must be a whole number, not 2.5"):
        memory.sample(2.5)


@pytest.mark.parametrize("capacity", [0, -3])
def test_a_capacity_below_one_is_refused(capacity):
    with pytest.raises(el.InputError, match=f"capacity must be at least 1, not {capacity}"):
        el.Reservoir(capacity)


def test_columns_that_change_are_refused_by_name():
    memory = el.Reservoir(5)
    memory.add({"x": torch.zeros(1, 3), "y": torch.zeros(1)})
    with pytest.raises(
        el.InputError, match="column 'x' changed: rows of shape \\(3,\\), .* joined with rows of \\(4,\\)"
    ):
        memory.add({"x": torch.zeros(1, 4), "y": torch.zeros(1)})
    with pytest.raises(el.InputError, match="column 'y' changed: .*float32.*int64"):
        memory.add({"x": torch.zeros(1, 3), "y": torch.zeros(1).long()})
    with pytest.raises(el.InputError, match="column 'y' is not in every batch"):
        memory.add({"x": torch.zeros(1, 3)})
    with pytest.raises(el.InputError, match="column 'task' is not in every batch"):
        memory.add({"x": torch.zeros(1, 3), "y": torch.zeros(1), "task": torch.zeros(1)})
    assert memory.seen == 1


def test_a_saved_reservoir_of_another_capacity_is_refused():
    with pytest.raises(el.InputError, match="a reservoir of capacity 5, this one a reservoir of capacity 6"):
        el.Reservoir(6).load_state_dict(el.Reservoir(5).state_dict())


def test_negative_draws_are_refused():
    with pytest.raises(el.InputError, match="n must be at least 0, not -1"):
        el.Reservoir(6).sample(-1)
