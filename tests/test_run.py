"""The loop: test, then learn; what is tested when; streams without tasks."""

import pytest
import torch

import everlearn as el
from everlearn.run import Curve, Evaluation, Learned, TaskDone, _spaced, run
from everlearn.run import Tested as MatrixRow  # pytest would collect the name


def tasks(sizes, seed=0):
    chance = torch.Generator().manual_seed(seed)

    def batch(n):
        return torch.randn(n, 3, generator=chance).double(), torch.randint(4, (n,), generator=chance)

    return el.Tasks(training=[[batch(1) for _ in range(size)] for size in sizes], testing=[batch(7) for _ in sizes])


def kinds(events):
    return [type(event).__name__ for event in events]


def test_the_order_of_events(make_learner):
    events = list(run(make_learner(el.Online()), tasks([2, 1])))
    assert kinds(events) == ["Tested", "Learned", "Learned", "Tested", "TaskDone", "Learned", "Tested", "TaskDone"]
    assert [event.seen for event in events] == [0, 1, 2, 2, 2, 3, 3, 3]
    assert [event.after for event in events if isinstance(event, MatrixRow)] == [0, 1, 2]


def test_final_measures_the_cells_that_the_measures_need(make_learner):
    rows = [e.accuracy for e in run(make_learner(el.Online()), tasks([1] * 4)) if isinstance(e, MatrixRow)]
    measured = [[cell is not None for cell in row] for row in rows]
    assert measured == [
        [True, True, True, True],
        [True, True, False, False],
        [False, True, True, False],
        [False, False, True, True],
        [True, True, True, True],
    ]


def test_tasks_measures_every_cell_and_every_row_of_the_test_sets(make_learner):
    learner, stream = make_learner(el.Online()), tasks([2, 2])
    for event in run(learner, stream, Evaluation("tasks")):
        if isinstance(event, MatrixRow):
            for task, accuracy in enumerate(event.accuracy):
                test = stream.test(task)
                right = (learner.predict(test).argmax(1) == test["y"]).float().mean().item()
                assert accuracy == pytest.approx(right)


def test_each_batch_is_tested_before_it_is_learned(make_learner):
    learner, stream = make_learner(el.Online(), lr=1.0), tasks([20])
    twin = make_learner(el.Online(), lr=1.0)
    for batch, event in zip(stream, (e for e in run(learner, stream) if isinstance(e, Learned)), strict=True):
        assert event.score == (twin.predict(batch).argmax(1) == batch["y"]).float().mean().item()
        assert event.loss == twin.learn(batch).item()


def test_curves_are_drawn_on_a_fixed_part_of_the_test_sets(make_learner):
    stream = tasks([5, 5])
    events = list(run(make_learner(el.Online()), stream, Evaluation(every=3, rows=3)))
    curves = [event for event in events if isinstance(event, Curve)]
    assert [curve.seen for curve in curves] == [3, 5, 6, 9, 10]
    assert all(round(3 * accuracy, 6).is_integer() for curve in curves for accuracy in curve.accuracy)


def test_a_part_of_a_test_set_is_evenly_spaced():
    rows = {"x": torch.arange(1999)}
    assert _spaced(rows, 1000)["x"].diff().unique().tolist() == [1, 2]
    assert _spaced(rows, 1000)["x"][[0, 500, 999]].tolist() == [0, 999, 1997]
    assert torch.equal(_spaced(rows, 5000)["x"], rows["x"])
    assert _spaced({"x": torch.arange(40)}, 10)["x"].tolist() == list(range(0, 40, 4))


def test_a_task_is_summed_up(make_learner):
    events = list(run(make_learner(el.MER(batches=2)), tasks([3, 2])))
    learned = [event for event in events if isinstance(event, Learned)]
    done = [event for event in events if isinstance(event, TaskDone)]
    assert done[0].loss == pytest.approx(sum(event.loss for event in learned[:3]) / 3)
    assert done[1].score == pytest.approx(sum(event.score for event in learned[3:]) / 2)
    assert done[1].steps == 2 * (1 + 2 + 3 + 4 + 5)
    assert done[0].learning > 0
    assert done[0].evaluating > 0


def test_going_on_after_a_task(make_learner):
    stream, whole = tasks([3, 3, 3]), make_learner(el.ER())
    everything = [event for event in run(whole, stream) if not isinstance(event, TaskDone)]
    broken = make_learner(el.ER())
    first = []
    for event in run(broken, stream):
        if isinstance(event, TaskDone):
            break
        first.append(event)
    rest = [event for event in run(broken, stream, done=1, seen=3) if not isinstance(event, TaskDone)]
    assert first + rest == everything


@pytest.mark.parametrize("kind", [tuple, list, lambda pair: dict(zip("xy", pair, strict=True))])
def test_any_iterable_is_a_stream_without_tasks(make_learner, kind):
    batch = kind((torch.zeros(2, 3).double(), torch.tensor([0, 1])))
    events = list(run(make_learner(el.MER()), (batch for _ in range(3))))
    assert kinds(events) == ["Learned"] * 3
    assert [event.task for event in events] == [None] * 3


def test_a_score_of_ones_own(make_learner):
    model = el.mlp([3, 1]).double()
    learner = make_learner(el.Online(), model=model, loss=el.squared)
    stream = [(torch.ones(2, 3).double(), torch.ones(2, 1).double())]
    event = next(run(learner, stream, score=lambda output, batch: -(output - batch["y"]).abs()[:, 0]))
    assert event.score < 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Evaluation(every=-1), "every must be at least 0"),
        (lambda: Evaluation(rows=0), "rows must be at least 1"),
        (lambda: Evaluation("some"), "matrix must be one of final, tasks, not 'some'"),
    ],
)
def test_bad_evaluations_are_refused(make, message):
    with pytest.raises(el.InputError, match=message):
        make()
