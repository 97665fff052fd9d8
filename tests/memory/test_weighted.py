"""Weighted reservoir sampling: known probabilities, and what deletions leave."""

from itertools import permutations

import pytest
import torch

import everlearn as el


def rows(weights, start=0):
    weights = torch.as_tensor(weights)
    return {"n": torch.arange(start, start + len(weights)), "weight": weights}


def drawn_one_by_one(weights, capacity):
    """The probability that each row is among the first ones drawn without replacement, by all orders."""
    held = [0.0] * len(weights)
    for order in permutations(range(len(weights)), capacity):
        left, chance = sum(weights), 1.0
        for row in order:
            chance *= weights[row] / left
            left -= weights[row]
        for row in order:
            held[row] += chance
    return torch.tensor(held)


@pytest.mark.parametrize("capacity", [1, 2, 4])
def test_rows_are_held_as_if_drawn_one_by_one(capacity):
    weights, repeats = [0.5, 4.0, 1.0, 2.0, 1.0], 6_000
    times = torch.zeros(len(weights))
    for seed in range(repeats):
        memory = el.Weighted(capacity, seed=seed)
        memory.add(rows(weights[:3]))
        for start in (3, 4):
            memory.add(rows(weights[start : start + 1], start))
        times[memory.held()["n"]] += 1
    expected = drawn_one_by_one(weights, capacity)
    assert (times / repeats - expected).abs().max() < 5 * 0.5 / repeats**0.5


def test_rows_at_once_are_rows_one_by_one():
    weights = torch.rand(200, generator=torch.Generator().manual_seed(0)) + 0.01
    many, single = el.Weighted(7), el.Weighted(7)
    many.add(rows(weights))
    for n in range(200):
        single.add(rows(weights[n : n + 1], n))
    assert many.held()["n"].tolist() == single.held()["n"].tolist()
    assert many._counters == single._counters


def test_after_deletions_it_holds_all_remaining_rows_with_larger_keys():
    """Against keys drawn apart: the same stream with all room there is."""
    weights = torch.rand(300, generator=torch.Generator().manual_seed(1)) + 0.01
    memory, everything = el.Weighted(12, seed=2), el.Weighted(1_000, seed=2)
    gone = []
    for start in range(0, 300, 10):
        for one in (memory, everything):
            one.add(rows(weights[start : start + 10], start))
        if start % 30 == 0:
            gone += memory.held()["n"][:5].tolist()
            for one in (memory, everything):
                one.delete(n=gone)
        keys = everything._rows.marks[: len(everything)]
        larger = everything.held()["n"][keys > memory._counters["above"]]
        assert sorted(memory.held()["n"].tolist()) == sorted(larger.tolist())
    assert len(gone) == 50


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_weights_must_be_positive(bad):
    memory = el.Weighted(3)
    with pytest.raises(el.InputError, match="Weighted needs one positive number a row in column 'weight'"):
        memory.add(rows([1.0, bad]))
    with pytest.raises(el.InputError, match="Weighted needs the column 'weight'"):
        memory.add({"n": torch.zeros(1)})
    assert memory.seen == 0
