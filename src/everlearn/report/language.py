"""Records of language models read back: readings, their measures, and tables of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from everlearn.lm.arms import ARMS, arm_name
from everlearn.lm.measures import forgotten, learned, retained
from everlearn.methods import MERBatches
from everlearn.record import Record
from everlearn.report.results import Interval, by_seed, interval, paired, records, settings
from everlearn.report.text import aligned, ruled
from everlearn.types import InputError

HEADINGS = ("arm", "seeds", "rate", "forgotten", "retained", "learned", "in memory", "rows/s")


@dataclass(frozen=True)
class Reading:
    """One recorded run, whole."""

    folder: Path
    config: dict[str, Any]
    versions: dict[str, str]
    digests: dict[str, str]
    """Of the texts."""
    tests: list[dict[str, Any]]

    @cached_property
    def losses(self) -> np.ndarray:
        """(tests, texts) in nats a byte, from the beginning."""
        return np.array([test["losses"] for test in self.tests])

    @cached_property
    def steps(self) -> np.ndarray:
        """(tests,) batches read."""
        return np.array([test["step"] for test in self.tests])

    @property
    def forgotten(self) -> float:
        """See `everlearn.lm.measures`."""
        return forgotten(self.losses)

    @property
    def retained(self) -> float:
        """Likewise."""
        return retained(self.losses)

    @property
    def learned(self) -> float:
        """Likewise; where all texts are read at once, at the end."""
        texts = len(self.config["texts"])
        if self.config["joint"]:
            return self.retained
        ends = [int(np.flatnonzero(self.steps == self.config["steps"] * (i + 1))[0]) for i in range(texts)]
        return learned(self.losses, np.array(ends))

    @property
    def remembering(self) -> float:
        """The share of the time of learning that went into the memory."""
        return sum(test["remembering"] for test in self.tests) / sum(test["learning"] for test in self.tests)

    @property
    def speed(self) -> float:
        """Rows learned a second."""
        return float(self.steps[-1] * self.config["batch"] / sum(test["learning"] for test in self.tests))


@dataclass(frozen=True)
class Readings:
    """The runs of one setting, which differ in their seeds."""

    runs: list[Reading]

    @property
    def config(self) -> dict[str, Any]:
        """The settings; the seed is the first one's."""
        return self.runs[0].config

    @property
    def arm(self) -> str:
        """Its name."""
        return arm_name(MERBatches(**self.config["method"]), self.config["joint"])

    @property
    def seeds(self) -> list[int]:
        """In order."""
        return [run.config["seed"] for run in self.runs]

    def of(self, measure: Callable[[Reading], float]) -> Interval:
        """A measure's mean over seeds."""
        return interval([measure(run) for run in self.runs])

    def curves(self) -> tuple[np.ndarray, np.ndarray]:
        """Batches (tests,) and losses (runs, tests, texts)."""
        return self.runs[0].steps, np.stack([run.losses for run in self.runs])


def read_readings(places: Iterable[Path]) -> list[list[Readings]]:
    """The runs recorded at or below some folders that went to their end; one list for each comparison.

    What may be compared has the texts and all settings in common but method, rate and whether texts are read at once.

    Raises:
        InputError: there is no folder, a record is damaged, or two runs of one setting have the same seed.
    """
    arms: dict[str, list[Reading]] = {}
    for path in records(places):
        run = _read(path)
        if run is not None:
            arms.setdefault(settings(run.config | {"digests": run.digests}, ("seed",)), []).append(run)
    groups: dict[str, list[Readings]] = {}
    for runs in arms.values():
        ordered = Readings(by_seed(runs))
        first = ordered.runs[0]
        shared = settings(first.config | {"digests": first.digests}, ("seed", "method", "lr", "joint"))
        groups.setdefault(shared, []).append(ordered)
    return [sorted(group, key=_order) for group in groups.values()]


def _order(readings: Readings) -> tuple[int, float]:
    names = [*ARMS]
    return (names.index(readings.arm) if readings.arm in names else len(names)), readings.config["lr"]


def _read(path: Path) -> Reading | None:
    """A whole run from its record; None where it is none, or not whole."""
    lines = list(Record(path.parent).lines())
    if not lines or "texts" not in lines[0].get("config", {}) or lines[-1]["event"] != "finished":
        return None
    tests = [line for line in lines if line["event"] == "tested"]
    try:
        digests = next(line["digests"] for line in lines if line["event"] == "opened")
        reading = Reading(path.parent, lines[0]["config"], lines[0]["versions"], digests, tests)
        _ = reading.forgotten, reading.learned, reading.remembering, reading.speed
    except (KeyError, TypeError, ValueError, IndexError, StopIteration) as error:
        raise InputError(f"{path} is damaged, or no record of everlearn's: {type(error).__name__} {error}") from error
    return reading


def language_rows(group: Sequence[Readings]) -> list[tuple[str, ...]]:
    """One row an arm, as in `HEADINGS`."""
    return [
        (
            readings.arm,
            str(len(readings.runs)),
            f"{readings.config['lr']:g}",
            *(f"{readings.of(measure):.3f}" for measure in MEASURES.values()),
            f"{100 * readings.of(lambda run: run.remembering).mean:.1f} %",
            f"{readings.of(lambda run: run.speed).mean:,.0f}",
        )
        for readings in group
    ]


MEASURES: dict[str, Callable[[Reading], float]] = {
    "forgotten": lambda run: run.forgotten,
    "retained": lambda run: run.retained,
    "learned": lambda run: run.learned,
}


def language_title(group: Sequence[Readings]) -> str:
    """What is read, by which model, and how."""
    config = group[0].config
    held = "all that was read" if config["memory"] is None else f"{config['memory']:,} rows"
    read = f"{config['steps']:,} batches of {config['batch']} rows each, in {config['tokens']}"
    return (
        f"{', '.join(config['texts'])}: {read}, a {config['size']} model, {config['schedule']} rate, memory of {held}"
    )


CAPTION = (
    "Losses in nats a byte on rows that are kept back. Forgotten: how much higher at the end than at its lowest "
    "before, mean over all texts but the last.\nRetained: at the end, mean over texts. Learned: of each text right "
    "after it was read. ± is half of a 95 % interval over seeds."
)


def language_gaps(group: Sequence[Readings]) -> list[str]:
    """Reptile's part: each arm that has its steps less the same without."""
    arms = {readings.arm: readings for readings in group}
    told = []
    for name, own in arms.items():
        plain = arms.get(name.removesuffix(" + Reptile"))
        if plain is None or plain is own:
            continue
        found = {what: paired(own.runs, plain.runs, measure) for what, measure in MEASURES.items()}
        parts = [f"{what} {one.mean:+.3f} ± {one.half:.3f}" for what, one in found.items() if one is not None]
        if parts:
            told.append(f"{name} less {plain.arm}: {', '.join(parts)}")
    return told


def language_table(groups: Sequence[Sequence[Readings]]) -> str:
    """The tables for a terminal."""
    return "\n\n".join(_one_table(group) for group in groups)


def _one_table(group: Sequence[Readings]) -> str:
    text, _ = aligned([HEADINGS, *language_rows(group)])
    return "\n".join([language_title(group), *ruled(text), *language_gaps(group), CAPTION])
