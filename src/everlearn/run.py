"""The one loop: test, then learn; a generator of events that everything else listens to."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal

import torch
from torch import Tensor

from everlearn.alignment import Meter
from everlearn.batches import as_batch, count, split, take
from everlearn.learner import Learner
from everlearn.metrics import correct
from everlearn.ranges import at_least, one_of
from everlearn.types import Batch, InputError, Stream

Score = Callable[[Any, Batch], Tensor]
"""One number per row from the output and the batch: (rows,)."""


@dataclass(frozen=True)
class Evaluation:
    """Which test accuracies are measured, and when."""

    matrix: Literal["final", "tasks"] = "final"
    """Cells of the accuracy matrix: "final" has those that RA, LA, BTI and FTI need; "tasks" has all."""
    every: int = 0
    """Examples from one point of the accuracy curves to the next, tasks' ends too; 0 draws none."""
    rows: int = 1000
    """Test rows of each task at a point of the curves, evenly spaced in its test set; the matrix takes all."""

    def __post_init__(self) -> None:
        at_least(0, every=self.every)
        at_least(1, rows=self.rows)
        one_of(("final", "tasks"), matrix=self.matrix)

    def tested(self, after: int, tasks: int) -> list[int]:
        """The tasks to test after so many were learned.

        >>> Evaluation("final").tested(after=2, tasks=5)
        [1, 2]
        """
        if self.matrix == "tasks" or after in (0, tasks):
            return list(range(tasks))
        return [after - 1, after]


@dataclass(frozen=True)
class Learned:
    """A batch was tested, then learned."""

    seen: int
    """Examples learned so far, this batch's included."""
    task: int | None
    """The task it came from, where the stream knows."""
    loss: float
    """Mean loss before learning from it."""
    score: float
    """Mean score, such as accuracy, before learning from it."""


@dataclass(frozen=True)
class Tested:
    """A row of the accuracy matrix."""

    seen: int
    after: int
    """Tasks learned; 0 is the untrained model."""
    accuracy: list[float | None]
    """For each task, over its whole test set; None where not measured."""


@dataclass(frozen=True)
class Curve:
    """A point of every task's accuracy curve, on a fixed part of its test set."""

    seen: int
    accuracy: list[float]


@dataclass(frozen=True)
class TaskDone:
    """A task was learned and the matrix's row measured."""

    task: int
    seen: int
    """Examples learned so far."""
    steps: int
    """Optimizer steps taken so far."""
    loss: float
    """Mean over the task's examples, each before it was learned."""
    score: float
    """Likewise: the online accuracy."""
    learning: float
    """Seconds spent learning since the task began."""
    evaluating: float
    """Seconds spent testing since the task began."""


@dataclass(frozen=True)
class Aligned:
    """How the gradients of a task's rows stood to those of old rows, by a `Meter`."""

    task: int
    seen: int
    """Examples learned so far."""
    means: dict[str, dict[str, float]]
    """Over the task's readings, by "before history" and the like, the means of `dot` and `cosine`."""


Event = Learned | Tested | Curve | TaskDone | Aligned


def run(
    learner: Learner,
    stream: Stream | Iterable[Any],
    evaluation: Evaluation | None = None,
    *,
    score: Score = correct,
    meter: Meter | None = None,
    done: int = 0,
    seen: int = 0,
) -> Iterator[Event]:
    """Take a learner through a stream, testing on each batch before learning from it.

    Args:
        learner: who learns.
        stream: a `Stream` of tasks, or any iterable of batches or `(x, y)` pairs: that has no
            tasks and gives only `Learned` events.
        evaluation: of the tasks' test sets; by default `Evaluation()`.
        score: one number per row; by default 1.0 where the highest output is the label's.
        meter: of the same learner; measures while it learns, and gives an `Aligned` event after each task.
        done: tasks that the learner has learned already, for going on after a break.
        seen: examples that it has learned already.

    Yields:
        Events as they happen. The loop waits while an event is looked at.

    >>> import everlearn as el, torch
    >>> model = el.mlp([2, 2])
    >>> learner = el.Learner(model, torch.optim.SGD(model.parameters(), 0.1), el.cross_entropy, method=el.Online())
    >>> [event.seen for event in run(learner, [(torch.zeros(3, 2), torch.tensor([0, 1, 1]))] * 2)]
    [3, 6]
    """
    if meter is not None and meter.learner is not learner:
        raise InputError("the meter is of another learner")
    tally = _Tally(learner, score, evaluation or Evaluation(), seen, meter)
    if not isinstance(stream, Stream):
        yield from (tally.learn(as_batch(given), None) for given in stream)
        return
    if done == 0:
        yield tally.test(stream, 0)
    for task in range(done, stream.tasks):
        yield from _task(tally, stream, task)


def _task(tally: "_Tally", stream: Stream, task: int) -> Iterator[Event]:
    tally.begin()
    every = tally.evaluation.every
    for batch in stream.train(task):
        before = tally.seen
        yield tally.learn(batch, task)
        if every and tally.seen // every > before // every:
            yield tally.curve(stream)
    if every and tally.seen % every:
        yield tally.curve(stream)
    yield tally.test(stream, task + 1)
    if tally.meter is not None:
        yield tally.aligned(tally.meter, task)
    yield tally.done(task)


@dataclass
class _Tally:
    """The counts and clocks of a run."""

    learner: Learner
    score: Score
    evaluation: Evaluation
    seen: int
    meter: Meter | None = None
    examples: int = 0
    loss: float = 0.0
    right: float = 0.0
    parts: list[Batch] = field(default_factory=list)
    """The part of every test set that the curves are drawn on."""
    seconds: dict[str, float] = field(default_factory=lambda: {"learning": 0.0, "evaluating": 0.0})

    def begin(self) -> None:
        self.examples, self.loss, self.right = 0, 0.0, 0.0
        self.seconds = {"learning": 0.0, "evaluating": 0.0}

    def learn(self, batch: Batch, task: int | None) -> Learned:
        rows = count(batch)
        started = perf_counter()
        score = self.score(self.learner.predict(batch), batch).mean().item()
        tested = perf_counter()
        measuring = 0.0
        if self.meter is None:
            loss = self.learner.learn(batch).item()
        else:
            before = self.meter.seconds
            loss = self.meter.learn(batch).item()
            measuring = self.meter.seconds - before
        self.seconds["evaluating"] += tested - started + measuring
        self.seconds["learning"] += perf_counter() - tested - measuring
        self.seen += rows
        self.examples += rows
        self.loss += loss * rows
        self.right += score * rows
        return Learned(self.seen, task, loss, score)

    def test(self, stream: Stream, after: int) -> Tested:
        accuracy: list[float | None] = [None] * stream.tasks
        for task in self.evaluation.tested(after, stream.tasks):
            accuracy[task] = self._accuracy(stream.test(task))
        return Tested(self.seen, after, accuracy)

    def curve(self, stream: Stream) -> Curve:
        if not self.parts:
            self.parts = [_spaced(stream.test(task), self.evaluation.rows) for task in range(stream.tasks)]
        return Curve(self.seen, [self._accuracy(part) for part in self.parts])

    def aligned(self, meter: Meter, task: int) -> Aligned:
        means = meter.means()
        meter.readings.clear()
        return Aligned(task, self.seen, means)

    def done(self, task: int) -> TaskDone:
        rows = max(self.examples, 1)
        return TaskDone(task, self.seen, self.learner.steps, self.loss / rows, self.right / rows, **self.seconds)

    def _accuracy(self, test: Batch) -> float:
        started = perf_counter()
        # A thousand rows at a time, so that a large model's activations fit.
        right = sum(self.score(self.learner.predict(part), part).sum().item() for part in split(test, 1000))
        self.seconds["evaluating"] += perf_counter() - started
        return right / count(test)


def _spaced(test: Batch, rows: int) -> Batch:
    """So many rows of a test set, evenly spaced; all where it has fewer."""
    number = min(rows, count(test))
    return take(test, torch.arange(number) * count(test) // number)
