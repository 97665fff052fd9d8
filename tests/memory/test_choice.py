"""Rows are chosen by the very numbers that they have."""

import pytest
import torch

import everlearn as el

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
