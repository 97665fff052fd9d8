"""Records of games read back: lives, grouped into arms that differ only in their seeds."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from everlearn.published import GAME_CURVES
from everlearn.record import Record
from everlearn.report.results import Interval, by_seed, interval, paired, records, settings
from everlearn.report.welch import Difference
from everlearn.types import InputError

if TYPE_CHECKING:
    from everlearn.rl import GameExperiment

LAST = 2
"""Trials that are averaged where the end is meant, of a task's own training or of all: one says little."""
FRAMES_IN_PAPER = 25_000
"""Of each task."""


@dataclass(frozen=True)
class Life:
    """One recorded life, whole."""

    folder: Path
    experiment: "GameExperiment"
    versions: dict[str, str]
    trials: list[dict[str, Any]]

    @property
    def config(self) -> dict[str, Any]:
        """All settings."""
        return self.experiment.config()

    @cached_property
    def frames(self) -> np.ndarray:
        """(trials,) how many frames had been lived at each."""
        return np.array([trial["frame"] for trial in self.trials])

    @cached_property
    def scores(self) -> np.ndarray:
        """(trials, tasks) the mean score of an episode."""
        return np.array([[np.mean(task) for task in trial["scores"]] for trial in self.trials])

    @cached_property
    def hits(self) -> np.ndarray:
        """(trials, tasks) the share of frames with a reward that was a gain: of Catcher, of fruits that paid."""
        gained, lost = (np.array([trial[name] for trial in self.trials], float) for name in ("gained", "lost"))
        return gained / np.maximum(gained + lost, 1)

    @property
    def tasks(self) -> int:
        """How many there are."""
        return self.scores.shape[1]

    def learned(self, values: np.ndarray) -> np.ndarray:
        """(tasks,) of `scores` or `hits`: each task at the end of its own training, or in the first trial after it."""
        length = self.experiment.frames
        found = []
        for task in range(self.tasks):
            before = self.frames <= (task + 1) * length
            own = np.flatnonzero(before & (self.frames > task * length))[-LAST:]
            found.append(values[own if len(own) else [before.sum()], task].mean())
        return np.array(found)

    def at_end(self, values: np.ndarray) -> np.ndarray:
        """(tasks,) of `scores` or `hits`: each task at the end of all."""
        return values[-LAST:].mean(0)

    @property
    def end(self) -> float:
        """The mean score over tasks at the end."""
        return float(self.at_end(self.scores).mean())

    @property
    def has_networks(self) -> bool:
        """Whether the agent as it was after each task is beside the record."""
        return len(list(self.folder.glob("after-*"))) == self.tasks

    @property
    def speed(self) -> float:
        """Frames lived a second; trials are not counted."""
        return float(self.frames[-1] / sum(trial["living"] for trial in self.trials))


@dataclass(frozen=True)
class Lives:
    """The lives of one setting, which differ in their seeds."""

    runs: list[Life]

    @property
    def experiment(self) -> "GameExperiment":
        """The settings; the seed is the first one's."""
        return self.runs[0].experiment

    @property
    def name(self) -> str:
        """The arm's."""
        return self.experiment.arm

    @property
    def seeds(self) -> list[int]:
        """In order."""
        return [run.experiment.seed for run in self.runs]

    def learned(self) -> Interval:
        """The mean over tasks of the score at the end of each one's own training."""
        return interval([float(run.learned(run.scores).mean()) for run in self.runs])

    def at_end(self) -> Interval:
        """The mean score over tasks at the end."""
        return interval([run.end for run in self.runs])

    def first(self) -> tuple[Interval, Interval]:
        """The first task's score at the end of its own training, and at the end of all."""
        ends = [(run.learned(run.scores)[0], run.at_end(run.scores)[0]) for run in self.runs]
        own, last = zip(*ends, strict=True)
        return interval([*map(float, own)]), interval([*map(float, last)])

    def hits(self) -> Interval:
        """The mean share of hits over tasks at the end, in percent."""
        return interval([100 * float(run.at_end(run.hits).mean()) for run in self.runs])

    @property
    def published(self) -> tuple[Sequence[int], Sequence[Sequence[float]]]:
        """Frames, and the scores of each task that the paper shows at them; empty where it has none."""
        of_paper = self.experiment.frames == FRAMES_IN_PAPER
        return GAME_CURVES.get((self.experiment.sequence, self.name), ((), ())) if of_paper else ((), ())

    def curves(self) -> tuple[np.ndarray, np.ndarray]:
        """Frames (trials,) and scores (runs, trials, tasks)."""
        return self.runs[0].frames, np.stack([run.scores for run in self.runs])


def read_lives(places: Iterable[Path]) -> list[list[Lives]]:
    """The lives recorded at or below some folders that went to their end; one list for each comparison.

    What may be compared has all settings in common but method, memory's rule and learning rate.

    Raises:
        InputError: there is no folder, a record is damaged, or two lives of one setting have the same seed.
    """
    arms: dict[str, list[Life]] = {}
    for path in records(places):
        life = _read(path)
        if life is not None:
            arms.setdefault(settings(life.config, ("seed",)), []).append(life)
    groups: dict[str, list[Lives]] = {}
    for runs in arms.values():
        lives = Lives(by_seed(runs))
        groups.setdefault(settings(lives.runs[0].config, ("seed", "method", "keep", "lr")), []).append(lives)
    return [sorted(group, key=_order) for group in groups.values()]


def _order(lives: Lives) -> tuple[int, float]:
    from everlearn.rl.arms import ARMS  # noqa: PLC0415

    names = [*ARMS]
    return (names.index(lives.name) if lives.name in names else len(names)), lives.experiment.lr


def _read(path: Path) -> Life | None:
    """A whole life from its record; None where it is not."""
    lines = list(Record(path.parent).lines())
    if not lines or "sequence" not in lines[0].get("config", {}) or lines[-1]["event"] != "finished":
        return None
    from everlearn.rl import experiment_of  # noqa: PLC0415

    trials = [line for line in lines if line["event"] == "trial"]
    try:
        life = Life(path.parent, experiment_of(path.parent), lines[0]["versions"], trials)
        _ = life.frames, life.hits, trials and life.speed, life.scores
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is damaged, or no record of everlearn's: {type(error).__name__} {error}") from error
    return life if trials else None


def gap(one: Lives, other: Lives, measure: Callable[[Life], float] = attrgetter("end")) -> Difference | None:
    """The paired difference of a measure over the seeds that both have, 95 %; None below two of them."""
    return paired(one.runs, other.runs, measure)
