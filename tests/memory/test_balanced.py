"""Class-balancing reservoir sampling: equal shares, and a uniform sample of each class."""

import pytest
import torch

import everlearn as el


def rows(classes, start=0):
    return {"n": torch.arange(start, start + len(classes)), "y": torch.as_tensor(classes)}


def test_rare_classes_are_held_whole_and_the_others_share_the_rest():
    memory = el.Balanced(20)
    classes = [0] * 500 + [1] * 3 + [0] * 100 + [2] * 200 + [1] * 2 + [3] * 40
    for start in range(0, len(classes), 9):
        memory.add(rows(classes[start : start + 9], start))
    shares = memory.held()["y"].bincount().tolist()
    assert shares[1] == 5
    assert sum(shares) == 20
    assert max(shares[0], shares[2], shares[3]) - min(shares[0], shares[2], shares[3]) <= 1


def test_each_class_is_a_uniform_sample_of_its_rows():
    classes, repeats = [0] * 12 + [1] * 4 + [0] * 12 + [1] * 8, 2_000
    times = torch.zeros(len(classes))
    for seed in range(repeats):
        memory = el.Balanced(8, seed=seed)
        memory.add(rows(classes))
        assert memory.held()["y"].bincount().tolist() == [4, 4]
        times[memory.held()["n"]] += 1
    for label in (0, 1):
        own = times[torch.tensor(classes) == label] / repeats
        expected = 4 / classes.count(label)
        assert (own - expected).abs().max() < 5 * (expected * (1 - expected) / repeats) ** 0.5


def test_rows_at_once_are_rows_one_by_one():
    classes = torch.randint(4, (300,), generator=torch.Generator().manual_seed(0))
    many, single = el.Balanced(11), el.Balanced(11)
    many.add(rows(classes))
    for n in range(300):
        single.add(rows(classes[n : n + 1], n))
    assert many.held()["n"].tolist() == single.held()["n"].tolist()
    assert many._counters == single._counters


def test_after_a_deletion_a_class_is_held_as_before():
    repeats, early, late = 2_000, 30, 5
    times = torch.zeros(early + late)
    for seed in range(repeats):
        memory = el.Balanced(10, seed=seed)
        memory.add(rows([0] * early))
        memory.delete(n=[*range(0, early, 2)])
        memory.add(rows([0] * late, early))
        times[memory.held()["n"]] += 1
    assert times[:early:2].sum() == 0
    before, after = times[1:early:2].mean() / repeats, times[early:].mean() / repeats
    assert before == pytest.approx(1 / 3, rel=0.03)
    assert after == pytest.approx(1 / 3, rel=0.06)


def test_a_class_of_which_none_remain_begins_anew():
    memory = el.Balanced(10)
    memory.add(rows([0, 1] * 20))
    memory.delete(y=0)
    memory.add(rows([2] * 5, 40))
    memory.add(rows([0] * 100, 45))
    assert memory.held()["y"].bincount().tolist()[0] in (3, 4)


def test_a_row_of_many_classes_costs_few_bytes_of_journal(tmp_path):
    memory = el.Balanced(2_000, path=tmp_path)
    memory.add(rows(range(1_000)))
    memory.flush()
    before = (tmp_path / "journal").stat().st_size
    for label in range(100):
        memory.add(rows([label]))
    assert (tmp_path / "journal").stat().st_size - before < 100 * 200
    counters = dict(memory.counters)
    memory.close()
    assert el.Balanced(2_000, path=tmp_path).counters == counters


def test_bad_classes():
    with pytest.raises(el.InputError, match="Balanced needs one integer a row in column 'y', not torch.float32"):
        el.Balanced(3).add({"y": torch.zeros(2)})
    with pytest.raises(el.InputError, match="Balanced needs the column 'task'"):
        el.Balanced(3, by="task").add(rows([1]))
