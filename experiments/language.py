"""The tables and figures of docs/results/language.md, from the records in experiments/language.

    python experiments/language.py      prints the tables

`everlearn lm NAME --out experiments/language` runs what is missing of one.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from everlearn.lm.comparisons import COMPARISONS, Schedule, comparison
from everlearn.report.figures import every_text
from everlearn.report.language import HEADINGS, MEASURES, Reading, Readings, language_rows, read_readings
from everlearn.report.results import Interval, interval, paired, settings

RECORDS = Path(__file__).parent / "language"
ASIDE = ("seed", "method", "lr", "joint")
"""Settings in which what is compared differs."""
SIZES = {"small": "bytes", "medium": "medium", "large": "large"}
"""By the model's size, the comparison that has it."""


@cache
def recorded() -> dict[str, list[Readings]]:
    """What is recorded, by the settings that a comparison's arms share."""
    groups = read_readings([RECORDS]) if RECORDS.exists() else []
    return {settings(group[0].config, ASIDE): group for group in groups}


def arms(name: str, schedule: Schedule) -> dict[str, Readings]:
    """The arms of a comparison that are recorded."""
    first = next(one for one in comparison(name) if one.schedule == schedule)
    return {one.arm: one for one in recorded().get(settings(first.config(), ASIDE), [])}


def table(name: str, schedule: Schedule) -> str:
    """What each arm forgets, retains and learns, and how much less it forgets than one that replays nothing."""
    own = arms(name, schedule)
    if not own:
        return "Not run yet."
    # It replays nothing, so that the memory's size is nothing to it.
    plain = arms("bytes", schedule).get("plain") if name == "few" else own.get("plain")
    lines = [_row((*HEADINGS, "forgets less by")), "|---" * (len(HEADINGS) + 1) + "|"]
    for readings, cells in zip(own.values(), language_rows([*own.values()]), strict=True):
        found = None if plain in (None, readings) or readings.config["joint"] else less(readings, plain)
        told = "" if found is None else f"{found.mean:.0f} %" + ("" if found.half is None else f" ± {found.half:.0f}")
        lines.append(_row((*cells, told)))
    return "\n".join(lines)


def less(readings: Readings, plain: Readings) -> Interval | None:
    """By how much less an arm forgets than another with the same seeds, in percent; None where no run of it forgot."""
    theirs = {run.config["seed"]: run.forgotten for run in plain.runs if run.forgotten > 0}
    seeds = [run for run in readings.runs if run.config["seed"] in theirs]
    return interval([100 * (1 - run.forgotten / theirs[run.config["seed"]]) for run in seeds]) if seeds else None


def differences(name: str, schedule: Schedule) -> str:
    """What Reptile's steps change: each arm with them less the same without, paired over seeds, 95 %."""
    own = arms(name, schedule)
    lines = [_row(("with Reptile steps, less without", "seeds", *MEASURES)), "|---" * (2 + len(MEASURES)) + "|"]
    for arm, without in own.items():
        reptile = own.get(f"{arm} + Reptile")
        if reptile is not None:
            lines.append(_row((arm, *_less(reptile, without))))
    return "\n".join(lines) if len(lines) > 2 else "No two seeds that both arms have."


def sizes(schedule: Schedule) -> str:
    """Replay, or a larger model: small ones that replay less those of each size that don't, paired over seeds, 95 %."""
    small = arms(SIZES["small"], schedule)
    lines = [_row(("small model", "less one that reads on", "seeds", *MEASURES)), "|---" * (3 + len(MEASURES)) + "|"]
    for name in ("replay 5 %", "replay 25 %"):
        for size, own in SIZES.items():
            plain = arms(own, schedule).get("plain")
            if name in small and plain is not None:
                lines.append(_row((name, size, *_less(small[name], plain))))
    return "\n".join(lines) if len(lines) > 2 else "Not run yet."


def _less(one: Readings, other: Readings) -> tuple[str, ...]:
    """Seeds that both have, and each measure of the first less that of the second."""
    return str(len({*one.seeds} & {*other.seeds})), *(_paired(one, other, measure) for measure in MEASURES.values())


def _paired(one: Readings, other: Readings, measure: Callable[[Reading], float]) -> str:
    found = paired(one.runs, other.runs, measure)
    if found is None:
        return "–"
    text = f"{found.mean:+.3f} ± {found.half:.3f}".replace("-", "−")
    return f"**{text}**" if found.excludes_zero else text


def drawings() -> dict[str, str]:
    """By file name, HTML with the curves of each arm of a comparison."""
    found = {}
    for name, schedule in shown():
        own = [*arms(name, schedule).values()]
        if own:
            curves = "\n".join(f"<figure>{curve}</figure>" for curve in every_text(own))
            found[f"language-{name}-{schedule}.html"] = f'<div class="figures">\n{curves}\n</div>\n'
    return found


def shown() -> list[tuple[str, Schedule]]:
    """All comparisons and their schedules."""
    return [(name, schedule) for name, own in COMPARISONS.items() for schedule in own.schedules]


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |".replace(" -", " −")


if __name__ == "__main__":
    for name, schedule in shown():
        print(name, schedule, table(name, schedule), differences(name, schedule), sep="\n\n", end="\n\n")
