"""Results as rows of text, for the terminal and the page."""

from collections.abc import Sequence

from everlearn.metrics import backward_transfer, forward_transfer, learning_accuracy, retained_accuracy
from everlearn.presets import NO_MEMORY
from everlearn.published import FORWARD, REPRODUCED_SEEDS, Figure, reproduced
from everlearn.report.results import Result, names
from everlearn.report.text import aligned, ruled

HEADINGS = ("method", "memory", "seeds", "RA", "LA", "BTI", "steps", "learning", "RA", "LA", "BTI")
"""The last three are the paper's."""


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """One row a result, as in `HEADINGS`."""
    return [_row(result, name) for result, name in zip(results, names(results), strict=True)]


def _row(result: Result, name: str) -> tuple[str, ...]:
    paper = result.published
    seconds = sum(run.seconds for run in result.runs) / len(result.runs)
    return (
        name,
        _memory(result),
        str(len(result.runs)),
        f"{result.measure(retained_accuracy):.2f}",
        f"{result.measure(learning_accuracy):.2f}",
        f"{result.measure(backward_transfer):+.2f}",
        f"{result.runs[0].steps:,}",
        f"{seconds:,.1f} s",
        *((_theirs(paper.ra), _theirs(paper.la), _theirs(paper.bti, signed=True)) if paper else ("–",) * 3),
    )


def _theirs(figure: Figure | None, *, signed: bool = False) -> str:
    if figure is None:
        return "–"
    return f"{figure.mean:+.2f} ± {figure.deviation:.2f}" if signed else f"{figure.mean:.2f} ± {figure.deviation:.2f}"


def paper_heading(results: Sequence[Result]) -> str:
    """What the paper's columns are, for these results."""
    return "the paper" if _as_in_paper(results) else "the paper, full size"


def _as_in_paper(results: Sequence[Result]) -> bool:
    return all(result.as_in_paper for result in results if result.published)


def caption(results: Sequence[Result]) -> str:
    """What a reader must know to read the table."""
    lines = [
        f"{results[0].length}, each seen once. Percent; ± is half of a 95 % interval over seeds.",
        "RA: accuracy on all tasks at the end. LA: on each task right after it. BTI: RA − LA, below 0 is forgetting.",
        "The paper's ± is a standard deviation over 5 seeds (Riemer et al. 2019, Tables 1-3 and 6).",
    ]
    if not _as_in_paper(results):
        lines.append("The paper's are of its own full size and settings: a mark to see, not to compare with.")
    return "\n".join(lines)


def text_table(results: Sequence[Result]) -> str:
    """The table for a terminal, one for each stream, with its caption."""
    return "\n\n".join(_one_table(group) for group in by_stream(results))


def by_stream(results: Sequence[Result]) -> list[list[Result]]:
    """Results that may stand in one table, of one stream and length; best retained accuracy first."""
    groups: dict[tuple, list[Result]] = {}
    for result in results:
        key = tuple(value for name, value in result.config["stream"].items() if name != "seed")
        groups.setdefault(key, []).append(result)
    return [sorted(group, key=lambda one: -one.measure(retained_accuracy).mean) for group in groups.values()]


def _one_table(results: Sequence[Result]) -> str:
    text, widths = aligned([HEADINGS, *rows(results)])
    above = " " * (sum(widths[:8]) + 2 * 8) + paper_heading(results)
    return "\n".join([*ruled(text, above), caption(results)])


def transfer_table(results: Sequence[Result]) -> str:
    """Table 5 of the paper for a terminal: forward transfer and interference, ours and published."""
    lines = [("method", "memory", "seeds", "FTI", "the paper")]
    for result, name in zip(results, names(results), strict=True):
        ours = f"{result.measure(forward_transfer):.2f}"
        lines.append((name, _memory(result), str(len(result.runs)), ours, _theirs(FORWARD.get(result.method))))
    told = "FTI: how much better a task is than chance before it is learned, in points (Table 5; ± as above)."
    return "\n".join([*ruled(aligned(lines)[0]), told])


def reproduction_table(results: Sequence[Result]) -> str:
    """Tables 7 to 9 of the paper for a terminal: retained accuracy, ours and of its 25 other seeds."""
    lines = [("method", "memory", "seeds", "RA", f"the paper, {REPRODUCED_SEEDS} seeds")]
    for result, name in zip(results, names(results), strict=True):
        theirs = reproduced(result.stream, result.method, result.config["memory"])
        ours = f"{result.measure(retained_accuracy):.2f}"
        lines.append((name, _memory(result), str(len(result.runs)), ours, _theirs(theirs)))
    return "\n".join([*ruled(aligned(lines)[0]), 'RA against the "Different Seeds" of Tables 7-9; ± as above.'])


def _memory(result: Result) -> str:
    return "–" if result.method in NO_MEMORY else f"{result.config['memory']:,}"
