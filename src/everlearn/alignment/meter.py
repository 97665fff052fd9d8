"""Whether new and old gradients agree, measured while learning."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from time import perf_counter
from typing import Any, Literal

import torch
from torch import Tensor

from everlearn.alignment.gradients import gradients
from everlearn.batches import as_batch, check_finite, count, join, take
from everlearn.chance import generator
from everlearn.learner import Learner
from everlearn.memory import Reservoir
from everlearn.memory.padding import Padding
from everlearn.ranges import at_least
from everlearn.types import Batch, WholeMemory


@dataclass(frozen=True)
class Reading:
    """How the gradients of new rows stood to those of some old ones, at one moment."""

    seen: int
    """Rows learned before."""
    when: Literal["before", "after"]
    """Before the new rows were learned, or after."""
    old: Literal["history", "memory"]
    """Whether the old rows were drawn from all that came before, or from the learner's memory."""
    dot: list[float]
    """Dot products, of each new row with each old one."""
    cosine: list[float]
    """Cosines, likewise."""


class Meter:
    """Measures, while a learner learns, whether new and old gradients agree.

    Call its `learn` in place of the learner's. Every so many batches it draws old rows twice: from all
    that came before, of which it keeps a uniform sample, and from the learner's memory, where that
    shows what it holds. It measures them against the new rows before these are learned, and again after. It
    draws by a generator of its own, so that the learner does just what it does without.

    Args:
        learner: who learns.
        every: batches from one reading to the next.
        drawn: old rows drawn for each.
        kept: rows of the sample of all that came.
        seed: of the sample and the draws.
        padding: the columns whose rows differ in length, as the learner's memory has it.

    Raises:
        InputError: one of the numbers is below 1.

    >>> import everlearn as el
    >>> model = el.mlp([2, 3])
    >>> learner = el.Learner(model, torch.optim.SGD(model.parameters(), 0.1), el.cross_entropy, method=el.Online())
    >>> meter = Meter(learner, every=2)
    >>> for _ in range(10):
    ...     loss = meter.learn((torch.ones(1, 2), torch.tensor([0])))
    >>> round(meter.means()["before history"]["cosine"], 6)  # One example again and again agrees with itself.
    1.0
    """

    def __init__(
        self,
        learner: Learner,
        *,
        every: int = 10,
        drawn: int = 5,
        kept: int = 1000,
        seed: int = 0,
        padding: Padding | None = None,
    ) -> None:
        at_least(1, every=every, drawn=drawn, kept=kept)
        self.learner = learner
        self.every = every
        self.drawn = drawn
        self.readings: list[Reading] = []
        self.seconds = 0.0
        self._seen = self._batches = 0
        self._generator = generator(seed, "meter")
        own = int(torch.randint(2**31, (), generator=self._generator))
        self._history = Reservoir(kept, seed=own, padding=padding)

    def learn(self, batch: Any) -> Tensor:
        """As the learner's `learn`, measured before and after where it is time."""
        started, batch = perf_counter(), as_batch(batch)
        check_finite(batch)
        self._history.expect(batch)
        old = self._old_rows() if self._batches % self.every == 0 else {}
        self._read("before", batch, old)
        self.seconds += perf_counter() - started
        loss = self.learner.learn(batch)
        started = perf_counter()
        self._read("after", batch, old)
        self._history.add(batch)
        self._batches += 1
        self._seen += count(batch)
        self.seconds += perf_counter() - started
        return loss

    def _old_rows(self) -> dict[Literal["history", "memory"], Batch]:
        places: dict[Literal["history", "memory"], Any] = {"history": self._history, "memory": self.learner.stored}
        drawn = {}
        for name, place in places.items():
            if isinstance(place, WholeMemory) and len(place):
                held = place.held()
                drawn[name] = take(held, torch.randint(count(held), (self.drawn,), generator=self._generator))
        return drawn

    def _read(self, when: Literal["before", "after"], batch: Batch, old: Mapping[Any, Batch]) -> None:
        if not old:
            return
        own = gradients(self.learner, join(batch, *old.values()))
        pairs, new = own.products(own), count(batch)
        for i, name in enumerate(old):
            stored = slice(new + i * self.drawn, new + (i + 1) * self.drawn)
            dot, cosine = (values[:new, stored].flatten().tolist() for values in (pairs.dot(), pairs.cosine()))
            self.readings.append(Reading(self._seen, when, name, dot, cosine))

    def means(self) -> dict[str, dict[str, float]]:
        """The mean of all readings: by "before history" and the like, of `dot` and `cosine`."""
        groups: dict[str, list[Reading]] = {}
        for reading in self.readings:
            groups.setdefault(f"{reading.when} {reading.old}", []).append(reading)
        return {
            name: {
                "dot": fmean(value for reading in own for value in reading.dot),
                "cosine": fmean(value for reading in own for value in reading.cosine),
            }
            for name, own in groups.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """All that goes on after a break; the readings so far are left out."""
        return {
            "seen": self._seen,
            "batches": self._batches,
            "history": self._history.state_dict(),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on as the meter would that `state` was taken from."""
        self._seen, self._batches, self.readings = state["seen"], state["batches"], []
        self._history.load_state_dict(state["history"])
        self._generator.set_state(state["generator"])
