"""Records read back: runs, grouped into results that differ only in their seeds."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from scipy.special import stdtrit

from everlearn.presets import method_name, paper, stream_name
from everlearn.published import Published, published
from everlearn.record import FILE, Record
from everlearn.report.welch import Difference, paired_difference
from everlearn.types import InputError

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over seeds and the half-width of its 95 % confidence interval (Student's t)."""

    mean: float
    half: float | None
    """None for a single seed."""

    def __format__(self, spec: str) -> str:
        """The mean as `spec` has it, and the half-width likewise but for its sign.

        >>> f"{Interval(2.0, 0.5):+.1f}"
        '+2.0 ± 0.5'
        """
        mean = format(self.mean, spec)
        return mean if self.half is None else f"{mean} ± {format(self.half, spec.removeprefix('+'))}"


def interval(values: Sequence[float]) -> Interval:
    """The mean and its confidence interval.

    >>> one = interval([1.0, 2.0, 3.0])
    >>> one.mean, round(one.half, 4)
    (2.0, 2.4841)
    """
    if len(values) < 2:
        return Interval(fmean(values), None)
    quantile = stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2)
    return Interval(fmean(values), float(quantile * stdev(values) / len(values) ** 0.5))


@dataclass(frozen=True)
class Run:
    """One recorded run."""

    folder: Path
    config: dict[str, Any]
    versions: dict[str, str]
    events: list[dict[str, Any]]

    def _events(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]

    @property
    def finished(self) -> bool:
        """Whether it went through all tasks."""
        return bool(self._events("finished"))

    @cached_property
    def matrix(self) -> np.ndarray:
        """The accuracy matrix, (tasks + 1, tasks), NaN where not measured."""
        tasks = self.config["stream"]["tasks"]
        matrix = np.full((tasks + 1, tasks), np.nan)
        for event in self._events("tested"):
            matrix[event["after"]] = [np.nan if cell is None else cell for cell in event["accuracy"]]
        return matrix

    @cached_property
    def curves(self) -> tuple[np.ndarray, np.ndarray]:
        """Examples seen (points,) and every task's accuracy (points, tasks), from the untrained model on."""
        points = self._events("curve") or [event for event in self._events("tested") if None not in event["accuracy"]]
        if not any(point["seen"] == 0 for point in points):
            points = [*self._events("tested")[:1], *points]
        return np.array([point["seen"] for point in points]), np.array([point["accuracy"] for point in points])

    @cached_property
    def alignment(self) -> dict[str, dict[str, float]]:
        """The mean over tasks of what a meter measured: by "before history" and the like, `dot` and `cosine`."""
        read = [event["means"] for event in self._events("aligned")]
        return {
            when: {name: fmean(one[when][name] for one in read if when in one) for name in ("dot", "cosine")}
            for when in dict.fromkeys(when for one in read for when in one)
        }

    @cached_property
    def begins(self) -> np.ndarray:
        """(tasks,) how many examples were seen when each task began."""
        return np.array([0, *(event["seen"] for event in self._events("taskdone"))][:-1])

    @property
    def steps(self) -> int:
        """Optimizer steps taken."""
        return self._events("taskdone")[-1]["steps"]

    @property
    def seconds(self) -> float:
        """Seconds of learning; testing is not counted."""
        return sum(event["learning"] for event in self._events("taskdone"))


@dataclass(frozen=True)
class Result:
    """The finished runs of one setting, which differ in their seeds."""

    runs: list[Run]

    @property
    def config(self) -> dict[str, Any]:
        """The settings; the seed is the first run's."""
        return self.runs[0].config

    @property
    def stream(self) -> str:
        """The stream's name, such as `rotations`."""
        return stream_name(self.config["stream"])

    @property
    def length(self) -> str:
        """The stream in words, such as "rotations of 20 tasks of 1,000 examples each"."""
        stream = self.config["stream"]
        if "examples" in stream:
            return f"{self.stream} of {stream['tasks']} tasks of {stream['examples']:,} examples each"
        seen = self.runs[0]._events("taskdone")[-1]["seen"]
        return f"{self.stream} of {stream['tasks']} tasks, {seen:,} examples in all"

    @property
    def data(self) -> str:
        """The data set's name."""
        return self.config["stream"].get("data", self.stream)

    @property
    def method(self) -> str:
        """The method's name, such as `mer`."""
        return method_name(self.config)

    @property
    def seeds(self) -> list[int]:
        """The seeds, in order."""
        return [run.config["seed"] for run in self.runs]

    @property
    def as_in_paper(self) -> bool:
        """Whether the stream and every setting are those that the paper chose."""
        try:
            theirs = paper(self.stream, self.method, self.config["memory"]).config()
        except InputError:
            return False
        return _flat(theirs) == _flat(self.config)

    @property
    def published(self) -> Published | None:
        """What the paper prints for this method and memory, at full size."""
        return published(self.stream, self.method, self.config["memory"])

    def alignment(self, when: str, measure: str) -> Interval | None:
        """What a meter measured, such as the `dot` of "before history"; None where it did not.

        Args:
            when: "before" or "after" the update, against rows of the "history" or the "memory".
            measure: `dot` or `cosine`.
        """
        values = [run.alignment[when][measure] for run in self.runs if when in run.alignment]
        return interval(values) if values else None

    def measure(self, metric: Callable[[np.ndarray], float]) -> Interval:
        """A metric of the accuracy matrix, in percent."""
        return interval([100 * metric(run.matrix) for run in self.runs])


def names(results: Sequence[Result]) -> list[str]:
    """What to call each of some results of one stream: the method, and what tells it from its like."""
    settings = [_flat(one.config) | {"alignment": one.config.get("alignment", 0)} for one in results]
    called = []
    for result, own in zip(results, settings, strict=True):
        like = [other for one, other in zip(results, settings, strict=True) if one.method == result.method]
        telling = [key for key in own if any(other.get(key) != own[key] for other in like)]
        if len({other["memory"] for other in like}) == len(like) > 1:
            telling = ["memory"]
        called.append(result.method + "".join(f", {key} {own[key]}" for key in telling))
    return called


_ASIDE = ("stream", "method", "evaluation", "alignment", "seed")


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    """The settings that a result may depend on: not the seed, not what is tested when."""
    stream = {name: value for name, value in config["stream"].items() if name != "seed"}
    others = {name: value for name, value in config.items() if name not in _ASIDE}
    return {"stream": stream} | config["method"] | others


def read_results(places: Iterable[Path]) -> list[Result]:
    """The results recorded at or below some folders; runs that were cut short, or of games, are left out.

    Raises:
        InputError: there is no folder, or a record is damaged, or two runs of one setting have the same seed.
    """
    groups: dict[str, list[Run]] = {}
    for run in map(_read, records(places)):
        if run is not None:
            groups.setdefault(_setting(run.config), []).append(run)
    return [Result(by_seed(runs)) for runs in groups.values()]


def records(places: Iterable[Path]) -> list[Path]:
    """The records at or below some folders.

    Raises:
        InputError: there is no such folder.
    """
    places = list(places)
    for place in places:
        if not place.exists():
            raise InputError(f"there is no {place}")
    return sorted({path.resolve() for place in places for path in [place, *place.rglob(FILE)] if path.name == FILE})


def by_seed(runs: list[Any]) -> list[Any]:
    """Runs of one setting, which have a folder and a config, in the order of their seeds.

    Raises:
        InputError: two have the same seed.
    """
    ordered = sorted(runs, key=lambda run: run.config["seed"])
    for one, other in pairwise(ordered):
        if one.config["seed"] == other.config["seed"]:
            raise InputError(f"{one.folder} and {other.folder} are the same setting and seed: name only one of them")
    return ordered


def paired(ours: Sequence[Any], theirs: Sequence[Any], measure: Callable[[Any], float]) -> Difference | None:
    """The paired difference of a measure over the seeds that runs of two settings both have, 95 %; None below two."""
    pairs = [(a, b) for a in ours for b in theirs if a.config["seed"] == b.config["seed"]]
    if len(pairs) < 2:
        return None
    one, other = ([measure(run) for run in side] for side in zip(*pairs, strict=True))
    return paired_difference(one, other, confidence=CONFIDENCE)


def _read(path: Path) -> Run | None:
    """A finished run from its record; None where it is not."""
    lines = list(Record(path.parent).lines())
    if not lines or {"sequence", "texts"} & lines[0].get("config", {}).keys():
        return None
    try:
        run = Run(path.parent, lines[0]["config"], lines[0]["versions"], lines[1:])
        if run.finished:
            _ = _setting(run.config), run.matrix, run.curves, run.steps, run.seconds
            return run
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is damaged, or no record of everlearn's: {type(error).__name__} {error}") from error
    return None


def settings(config: dict[str, Any], aside: Sequence[str]) -> str:
    """All settings but some: where they are alike, runs differ in those alone."""
    return json.dumps({name: value for name, value in config.items() if name not in aside}, sort_keys=True)


def _setting(config: dict[str, Any]) -> str:
    stream = {name: value for name, value in config["stream"].items() if name != "seed"}
    return settings(config | {"stream": stream}, ("seed",))
