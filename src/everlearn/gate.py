"""A gate that refuses an update that forgets."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from everlearn.batches import as_batch, count, split, take
from everlearn.learner import Learner
from everlearn.memory.choice import Choice, having, older
from everlearn.ranges import not_negative, number, one_of
from everlearn.types import Holding, InputError, Sink, WholeMemory, column

AT_ONCE = 1000
"""Rows that are scored at once."""


class Subject(Protocol):
    """What passes a gate: a learner, an agent, or whatever else can be gone back with.

    One of your own around a learner whose memory is on disk hands `hold` on too, or later saves let go of what was
    accepted.
    """

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any], /) -> None: ...


Score = Callable[[Any, Any], Any]
"""`score(subject, probe) -> (n,)` numbers, higher is better, in the same order each time."""


def minus_loss(learner: Learner, probe: Any) -> Tensor:
    """(rows,) the loss of each row of a batch, negated."""
    return -torch.cat([learner.losses(part).cpu() for part in split(as_batch(probe), AT_ONCE)])


def accuracy(learner: Learner, probe: Any) -> Tensor:
    """(rows,) 1 for each row whose largest output is that of its class `y`, and 0 for the others."""
    batch = as_batch(probe)
    outputs = torch.cat([learner.predict(part).argmax(-1).cpu() for part in split(batch, AT_ONCE)])
    return (outputs == column(batch, "y", "accuracy").cpu()).double()


@dataclass(frozen=True)
class Slice:
    """One probe's scores, of the candidate and of the version before."""

    name: str
    rows: int
    before: float
    """The mean score of the version accepted last."""
    after: float
    """Of the candidate."""
    tolerance: float
    """How far it may fall."""
    worse: float
    """How sure it is that it fell further, from 0 to 1: by a paired t-test, one-sided."""
    unharmed: float
    """How sure it is that it did not."""
    refused: bool

    def __str__(self) -> str:
        change = f"{self.after - self.before:+.3g}"
        change = f"{self.name}: {self.before:.4g} before, {self.after:.4g} now ({change}) on {self.rows:,}"
        if not self.refused:
            return f"{change}; fine"
        if self.worse > self.unharmed:
            return f"{change}; worse by more than {self.tolerance:g}: {self.worse:.1%} sure"
        return f"{change}; not worse by more than {self.tolerance:g}: only {self.unharmed:.1%} sure"


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate passes, and how it did on each probe."""

    accepted: bool
    slices: tuple[Slice, ...]

    def __str__(self) -> str:
        if not self.slices:
            return "accepted: there was nothing to compare it on"
        told = "accepted" if self.accepted else "refused"
        return "\n".join([told, *(f"  {one}" for one in self.slices)])


class Gate:
    """Compares a candidate with the version accepted last, on probes that neither learns from.

    On each probe every row is scored by both; the differences are tested by a paired t-test against
    `tolerance`. With several probes the confidence is that of all tests together (Bonferroni), so that a
    harmless update is refused with a probability of at most 1 − `confidence`, however many probes there are.

    Args:
        probes: by name, what `score` takes: batches, one for each task or slice; or a memory that keeps rows back
            (anything with `held`), whose rows are looked up when a version is accepted.
        score: `score(subject, probe) -> (n,)` numbers, higher is better. For an agent, say, the returns of n episodes
            with fixed seeds. By default each row's loss, negated.
        tolerance: how far the mean score of a probe may fall; one number, or one for each probe.
        confidence: of the tests.
        refuse: "worse" refuses a candidate that is worse for sure; "unsure" one as well that may be.
        against: "last" compares with the version accepted last; "best" with the one that was best on the probe of all
            accepted, so that many small losses don't add up to a large one.
        sinks: called with each verdict of `admit` in numbers, and how many there were: whether it was `accepted`, and
            of each probe the mean score `before` and `after` and how sure it is that it is `worse`.

    Raises:
        InputError: there are no probes, or a setting is out of its range.

    >>> import everlearn as el
    >>> model = el.mlp([2, 8, 2])
    >>> learner = el.Learner(model, torch.optim.SGD(model.parameters(), 0.5), el.cross_entropy, method=el.Online())
    >>> x = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    >>> gate = Gate({"all": {"x": x, "y": (x[:, 0] > 0).long()}}, score=accuracy, tolerance=0.02)
    >>> gate.admit(learner).accepted
    True
    >>> _ = [learner.learn((x, (x[:, 0] < 0).long())) for _ in range(50)]
    >>> print(gate.admit(learner))  # doctest: +ELLIPSIS
    refused
      all: ... now ... on 200; worse by more than 0.02: 100.0% sure
    """

    def __init__(
        self,
        probes: Mapping[str, Any],
        *,
        score: Score = minus_loss,
        tolerance: float | Mapping[str, float] = 0.0,
        confidence: float = 0.95,
        refuse: Literal["worse", "unsure"] = "worse",
        against: Literal["last", "best"] = "last",
        sinks: Iterable[Sink] = (),
    ) -> None:
        if not isinstance(probes, Mapping) or not probes:
            raise InputError("a gate needs at least one probe by its name, such as {'2024': batch}")
        if not 0.5 < number("confidence", confidence) < 1:
            raise InputError(f"confidence must be between 0.5 and 1, not {confidence}")
        one_of(("worse", "unsure"), refuse=refuse)
        one_of(("last", "best"), against=against)
        if isinstance(tolerance, Mapping) and tolerance.keys() != probes.keys():
            raise InputError(f"tolerance must name the probes: {', '.join(probes)}; it names {', '.join(tolerance)}")
        if against == "best" and any(isinstance(probe, WholeMemory) for probe in probes.values()):
            raise InputError("against='best' needs probes that stay the same, and a memory's rows don't")
        self._probes = dict(probes)
        self._score = score
        self._tolerance = {name: tolerance[name] if isinstance(tolerance, Mapping) else tolerance for name in probes}
        not_negative(**{f"tolerance of {name}": value for name, value in self._tolerance.items()})
        self._confidence = 1 - (1 - confidence) / len(probes)
        self._refuse = refuse
        self._against = against
        self._sinks = tuple(sinks)
        self._candidates = 0
        self._frozen: dict[str, Any] = {}
        self._scores: dict[str, Tensor] = {}
        self._state: dict[str, Any] | None = None

    def accept(self, subject: Subject) -> None:
        """Make this version the one that others are compared with, and gone back to.

        Its state is kept: weights, optimizer and, of a memory in RAM, a copy of the rows; one on disk remembers the
        moment, beside its last saves, and of one gate. What is saved from now on keeps it too, so that a gate whose
        `state_dict` was saved with a learner can go back after a restart.

        Raises:
            InputError: a probe gives fewer than two scores, or one that is not finite. (A memory is left out while it
                holds fewer than two rows.)
        """
        # What a memory held when a version was accepted before stays its probe while it holds nothing, after a restart.
        frozen = self._frozen | {name: _frozen(probe) for name, probe in self._probes.items() if _is_ready(probe)}
        scores = {name: self._scored(subject, name, probe) for name, probe in frozen.items()}
        for name, values in scores.items():
            if len(values) < 2 or not values.isfinite().all():
                raise InputError(f"the probe {name!r} must give two finite scores or more: {values.tolist()!s:.80}")
            if self._against == "best" and name in self._scores and frozen[name] is self._frozen[name]:
                scores[name] = max(values, self._scores[name], key=lambda one: float(one.mean()))
        state = subject.state_dict()
        if isinstance(subject, Holding):
            subject.hold(state)
        self._frozen, self._scores, self._state = frozen, scores, state

    def check(self, subject: Subject) -> Verdict:
        """Compare a candidate with the version accepted last; nothing of it is changed.

        Raises:
            InputError: no version was accepted yet, or a probe gives another number of scores than before.
        """
        if self._state is None:
            raise InputError("there is nothing to compare with yet: gate.accept(learner) first")
        if isinstance(subject, Holding):
            # Whatever was loaded since.
            subject.hold(self._state)
        slices = tuple(self._compared(name, self._scored(subject, name, probe)) for name, probe in self._frozen.items())
        return Verdict(not any(one.refused for one in slices), slices)

    def admit(self, subject: Subject) -> Verdict:
        """Accept a candidate, or bring it back to what was accepted last: weights, optimizer, memory, and all.

        The first one is accepted as it is. What was deleted from a memory in RAM since the last acceptance comes
        back with it, so accept anew after that; torch's global generator goes back too.
        """
        verdict = Verdict(True, ()) if self._state is None else self.check(subject)
        if verdict.accepted:
            self.accept(subject)
        else:
            assert self._state is not None
            subject.load_state_dict(self._state)
        self._candidates += 1
        for sink in self._sinks:
            sink(_in_numbers(verdict), self._candidates)
        return verdict

    def delete(self, **where: Any) -> None:
        """Forget rows of memories that were kept as probes, as `memory.delete` does with the memory's."""
        self._forget(having(where))

    def expire(self, older_than: float, *, column: str = "when") -> None:
        """Forget those that are too old, as `memory.expire` does with the memory's."""
        self._forget(older(older_than, column))

    def _forget(self, gone: Choice) -> None:
        copies = {name: rows for name, rows in self._frozen.items() if isinstance(self._probes[name], WholeMemory)}
        for name, stay in {name: (~gone(rows)).nonzero()[:, 0] for name, rows in copies.items()}.items():
            self._frozen[name], self._scores[name] = take(self._frozen[name], stay), self._scores[name][stay]
            if len(stay) < 2:
                del self._frozen[name], self._scores[name]

    def state_dict(self) -> dict[str, Any]:
        """What was accepted last, and its scores; of probes only the rows of memories."""
        rows = {name: probe for name, probe in self._frozen.items() if isinstance(self._probes[name], WholeMemory)}
        own = {"scores": dict(self._scores), "candidates": self._candidates}
        return own | {"rows": rows, "accepted": self._state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become the gate that `state` was taken from, which had the same probes.

        Raises:
            InputError: it had others.
        """
        if not isinstance(state, Mapping) or not state.keys() >= {"scores", "rows", "accepted", "candidates"}:
            raise InputError("this is not the state of a gate")
        if not isinstance(state["scores"], Mapping) or not isinstance(state["rows"], Mapping):
            raise InputError("this is not the state of a gate")
        if not state["scores"].keys() <= self._probes.keys():
            theirs, own = ", ".join(state["scores"]), ", ".join(self._probes)
            raise InputError(f"the saved gate had the probes {theirs}; this one has {own}")
        self._scores, self._state = dict(state["scores"]), state["accepted"]
        self._candidates = state["candidates"]
        self._frozen = {name: state["rows"].get(name, self._probes[name]) for name in self._scores}

    def _scored(self, subject: Subject, name: str, probe: Any) -> Tensor:
        scores = torch.as_tensor(self._score(subject, probe)).detach().cpu().double()
        if scores.ndim != 1:
            raise InputError(f"the score of probe {name!r} must be one number a row, not {tuple(scores.shape)}")
        return scores

    def _compared(self, name: str, scores: Tensor) -> Slice:
        before, tolerance = self._scores[name], self._tolerance[name]
        if len(scores) != len(before):
            raise InputError(f"the probe {name!r} gave {len(before)} scores before, and {len(scores)} now")
        worse = _sureness(scores - before, tolerance)
        refused = worse > self._confidence if self._refuse == "worse" else 1 - worse < self._confidence
        return Slice(
            name, len(scores), float(before.mean()), float(scores.mean()), tolerance, worse, 1 - worse, refused
        )


def _in_numbers(verdict: Verdict) -> dict[str, float]:
    slices = {
        f"{one.name} {what}": getattr(one, what) for one in verdict.slices for what in ("before", "after", "worse")
    }
    return {"accepted": float(verdict.accepted), **slices}


def _is_ready(probe: Any) -> bool:
    return not isinstance(probe, WholeMemory) or count(probe.held()) > 1


def _frozen(probe: Any) -> Any:
    """Rows that are there now, of a memory that keeps rows back; anything else as it is."""
    if isinstance(probe, WholeMemory):
        return {name: values.clone() for name, values in probe.held().items()}
    return probe


def _sureness(differences: Tensor, tolerance: float) -> float:
    """How sure it is that the mean of paired differences is below −tolerance, by Student's t.

    >>> round(_sureness(torch.tensor([-1.0, -2.0, -3.0]), 0.0), 3)
    0.963
    """
    if not differences.isfinite().all():
        return 1.0
    from scipy.special import stdtr  # noqa: PLC0415

    mean, n = float(differences.mean()) + tolerance, len(differences)
    error = float(differences.std()) / n**0.5
    if error == 0:
        return float(mean < 0)
    return float(stdtr(n - 1, -mean / error))
