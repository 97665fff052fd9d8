"""The ring: the last rows of each task, and no task's at another's cost."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import everlearn as el


def rows(*tasks, start=0):
    return {"n": torch.arange(start, start + len(tasks)), "task": torch.tensor(tasks)}


@given(st.integers(1, 4), st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=9), min_size=1, max_size=8))
def test_it_holds_the_last_rows_of_each_task(slots, batches):
    ring, came = el.Ring(3 * slots, tasks=3), {0: [], 1: [], 2: []}
    n = 0
    for tasks in batches:
        ring.add(rows(*tasks, start=n))
        for task in tasks:
            came[task].append(n)
            n += 1
    for task, numbers in came.items():
        if numbers:
            assert ring.rows(task)["n"].tolist() == numbers[-slots:]
            assert set(ring.rows(task)["task"].tolist()) == {task}
    assert len(ring) == sum(len(numbers[-slots:]) for numbers in came.values())
    assert sorted(ring.held()["n"].tolist()) == sorted(n for numbers in came.values() for n in numbers[-slots:])
    assert ring.tasks() == list(dict.fromkeys(task for tasks in batches for task in tasks))


def test_rows_are_drawn_uniformly_from_all_tasks():
    ring = el.Ring(6, tasks=3, seed=1)
    ring.add(rows(5, 5, 9))
    times = torch.bincount(torch.cat([ring.sample(3)["n"] for _ in range(2000)]), minlength=3)
    assert (times - 2000).abs().max() < 5 * (6000 * 2 / 9) ** 0.5


def test_slots_that_cannot_be_shared_evenly_stay_empty():
    ring = el.Ring(11, tasks=3)
    ring.add(rows(*[0] * 20, *[1] * 20, *[2] * 20))
    assert len(ring) == 9


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: el.Ring(2, tasks=3), "at least one slot for each task: 2 slots, 3 tasks"),
        (lambda: el.Ring(2, tasks=0), "tasks must be at least 1, not 0"),
        (lambda: el.Ring(10.5, tasks=2), "capacity must be a whole number, not 10.5"),
        (lambda: el.Ring(4, tasks=2).rows(7), "holds nothing of task 7"),
        (lambda: el.Ring(4, tasks=2).sample(-1), "n must be at least 0, not -1"),
        (lambda: el.Ring(4, tasks=2).add({"n": torch.zeros(1)}), "Ring needs the column 'task'"),
        (
            lambda: el.Ring(4, tasks=2).add({"task": torch.zeros(1)}),
            "one integer a row in column 'task', not torch.float32",
        ),
        (lambda: el.Ring(4, tasks=2).add({"task": torch.zeros(1, 1).long()}), "one integer a row in column 'task'"),
        (lambda: el.Ring(4, tasks=2).add(rows(0, 1, 2)), "made for 2 tasks; task 2 would be one more"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(el.InputError, match=message):
        make()


def test_a_task_too_many_leaves_the_ring_as_it_was():
    ring = el.Ring(4, tasks=2)
    ring.add(rows(0, 1))
    with pytest.raises(el.InputError):
        ring.add(rows(0, 2, start=2))
    assert ring.held()["n"].tolist() == [0, 1]


def test_a_ring_of_another_shape_is_not_loaded():
    ring = el.Ring(4, tasks=2)
    ring.add(rows(0))
    with pytest.raises(el.InputError, match="a ring of capacity 4, tasks 2, this one a ring of capacity 4, tasks 4"):
        el.Ring(4, tasks=4).load_state_dict(ring.state_dict())


def test_no_rows_change_nothing():
    ring = el.Ring(4, tasks=2)
    ring.add(rows())
    assert len(ring) == 0
