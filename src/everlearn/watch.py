"""Running measures of a learner in a loop: how it does on what comes, what it forgets, whether the world drifts."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from everlearn.batches import as_batch, count, take
from everlearn.chance import generator
from everlearn.learner import Learner
from everlearn.memory.choice import Choice, having, older
from everlearn.metrics import correct
from everlearn.ranges import at_least
from everlearn.types import Batch, InputError, Sink, WholeMemory


class Detector(Protocol):
    """A drift detector, such as river's `drift.ADWIN()`."""

    def update(self, x: float, /) -> object:
        """Take the next value."""
        ...

    @property
    def drift_detected(self) -> bool:
        """Whether that value shows that the values have changed."""
        ...


@dataclass(frozen=True)
class Measures:
    """What a watch has measured, and when."""

    seen: int
    """Rows learned so far."""
    loss: float
    """Mean over the last rows, each before it was learned."""
    score: float
    """Likewise, such as accuracy: prequential."""
    retained: float | None
    """Mean score now on rows that the memory held at earlier moments; None while there are none."""
    forgotten: float | None
    """How much less that is than the best that it was, moment by moment."""


@dataclass
class _Probe:
    """Rows that the memory held at some moment, and the best score on them since."""

    rows: Batch
    best: float


@dataclass
class _Window:
    """Means over the last rows."""

    rows: int
    parts: deque[tuple[int, float, float]] = field(default_factory=deque)
    held: int = 0

    def add(self, rows: int, loss: float, score: float) -> None:
        self.parts.append((rows, loss, score))
        self.held += rows
        while self.held - self.parts[0][0] >= self.rows:
            self.held -= self.parts.popleft()[0]

    def mean(self, which: int) -> float:
        return sum(part[0] * part[which] for part in self.parts) / self.held


class Watch:
    """Learns in place of a learner, and measures.

    Each batch is predicted, then learned. After every so many rows, rows are drawn from the memory and kept, and
    all that were kept before are predicted again: how much worse than at their best is what is forgotten of them.
    When there are more than `probes` such moments, every second one is let go and they are taken half as often, so
    that they reach back to the beginning. What it costs: a prediction for each row, and at each reading up to
    `probes` · `rows` of them, and of a memory on disk one reading of all its rows.

    Args:
        learner: who learns. Nothing of it is changed: it learns as it would without.
        window: of the prequential means, in rows.
        every: rows from one reading to the next.
        rows: drawn from the memory at a reading.
        probes: moments that are remembered, at most.
        score: one number per row of a batch, by the output and the batch; by default 1.0 where the highest output is
            the label's.
        detector: of drift; it is given 1 − the mean score of each batch.
        on_drift: called with the watch where the detector says so.
        sinks: called with each reading's values, and the rows learned so far.
        seed: of the rows drawn.

    Raises:
        InputError: a number is out of its range.

    >>> import everlearn as el
    >>> model = el.mlp([2, 8, 2])
    >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> learner = el.Learner(model, sgd, el.cross_entropy, memory=el.Reservoir(50), method=el.ER())
    >>> watch = Watch(learner, every=100, rows=20)
    >>> for row in range(300):
    ...     x = torch.randn(1, 2, generator=torch.Generator().manual_seed(row))
    ...     loss = watch.learn((x, (x[:, 0] > 0).long()))
    >>> [reading.seen for reading in watch.readings]
    [100, 200, 300]
    >>> watch.readings[-1].score > 0.8, watch.readings[-1].forgotten < 0.2
    (True, True)
    """

    def __init__(
        self,
        learner: Learner,
        *,
        window: int = 1000,
        every: int = 1000,
        rows: int = 100,
        probes: int = 10,
        score: Callable[[Any, Batch], Tensor] = correct,
        detector: Detector | None = None,
        on_drift: Callable[["Watch"], object] | None = None,
        sinks: Iterable[Sink] = (),
        seed: int = 0,
    ) -> None:
        at_least(1, window=window, every=every, rows=rows)
        at_least(2, probes=probes)
        self.learner = learner
        self.readings: list[Measures] = []
        self.drifts: list[int] = []
        """Rows learned when the detector saw a drift."""
        self.seen = 0
        self._window = _Window(window)
        self._every, self._rows, self._most = every, rows, probes
        self._score, self._detector, self._on_drift, self._sinks = score, detector, on_drift, tuple(sinks)
        self._generator = generator(seed, "watch")
        self._probes: list[_Probe] = []
        self._apart, self._passed = 1, 0

    def learn(self, batch: Any) -> Tensor:
        """Predict a batch, learn it, and measure where it is time to.

        Returns:
            What `learner.learn` does, with its errors.
        """
        batch = as_batch(batch)
        score = float(self._scores(batch).mean())
        loss = self.learner.learn(batch)
        before, self.seen = self.seen, self.seen + count(batch)
        self._window.add(count(batch), float(loss), score)
        if self._detector is not None:
            self._detector.update(1 - score)
            if self._detector.drift_detected:
                self.drifts.append(self.seen)
                if self._on_drift is not None:
                    self._on_drift(self)
        if self.seen // self._every > before // self._every:
            self.read()
        return loss

    def read(self) -> Measures:
        """Take a reading now.

        Raises:
            InputError: nothing was learned yet.
        """
        if self.seen == 0:
            raise InputError("there is nothing to read yet: watch.learn(batch) first")
        now = [float(self._scores(probe.rows).mean()) for probe in self._probes]
        for probe, score in zip(self._probes, now, strict=True):
            probe.best = max(probe.best, score)
        retained = sum(now) / len(now) if now else None
        lost = [probe.best - score for probe, score in zip(self._probes, now, strict=True)]
        forgotten = sum(lost) / len(lost) if lost else None
        reading = Measures(self.seen, self._window.mean(1), self._window.mean(2), retained, forgotten)
        self.readings.append(reading)
        values = {name: float(value) for name, value in asdict(reading).items() if value is not None}
        for sink in self._sinks:
            sink(values | {"drifts": float(len(self.drifts))}, self.seen)
        self._keep()
        return reading

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs, but for the detector, which has its own ways to be saved."""
        return {
            "seen": self.seen,
            "window": list(self._window.parts),
            "readings": [asdict(reading) for reading in self.readings],
            "drifts": list(self.drifts),
            "probes": [(dict(probe.rows), probe.best) for probe in self._probes],
            "apart": self._apart,
            "passed": self._passed,
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become the watch that `state` was taken from."""
        self.seen, self._apart, self._passed = state["seen"], state["apart"], state["passed"]
        self._window = _Window(self._window.rows)
        for rows, loss, score in state["window"]:
            self._window.add(rows, loss, score)
        self.readings = [Measures(**reading) for reading in state["readings"]]
        self.drifts = list(state["drifts"])
        self._probes = [_Probe(dict(rows), best) for rows, best in state["probes"]]
        self._generator.set_state(state["generator"])

    def delete(self, **where: Any) -> None:
        """Forget rows that were kept for measuring, as `memory.delete` does with the memory's."""
        self._forget(having(where))

    def expire(self, older_than: float, *, column: str = "when") -> None:
        """Forget rows that are too old, as `memory.expire` does with the memory's."""
        self._forget(older(older_than, column))

    def _forget(self, gone: Choice) -> None:
        for probe in self._probes:
            probe.rows = take(probe.rows, (~gone(probe.rows)).nonzero()[:, 0])
        self._probes = [probe for probe in self._probes if count(probe.rows)]

    def _keep(self) -> None:
        """Keep rows of the memory, at every so many readings."""
        self._passed += 1
        memory = self.learner.stored
        if self._passed % self._apart or not isinstance(memory, WholeMemory) or not count(held := memory.held()):
            return
        rows = take(held, torch.randint(count(held), (self._rows,), generator=self._generator))
        self._probes.append(_Probe(rows, float(self._scores(rows).mean())))
        if len(self._probes) > self._most:
            self._probes = self._probes[::2]
            self._apart *= 2

    def _scores(self, batch: Batch) -> Tensor:
        scores = self._score(self.learner.predict(batch), batch)
        if scores.shape != (count(batch),):
            raise InputError(f"score must give one number a row, ({count(batch)},), not {tuple(scores.shape)}")
        return scores
