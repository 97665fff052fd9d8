"""Table 4 of the MER paper: the agreement of gradients, measured and published side by side."""

from collections.abc import Sequence

from everlearn.presets import NO_MEMORY, TABLES
from everlearn.published import DOT_PRODUCTS
from everlearn.report.results import Interval, Result
from everlearn.report.text import aligned, ruled

PROTOCOLS = ("before history", "before memory", "after history", "after memory")
"""When the dot products are taken, and what the old rows are drawn from: the paper does not say."""

HEADINGS = ("stream", "method", "memory", "seeds", *PROTOCOLS, "the paper", *PROTOCOLS)


def alignment_rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """One row a result that has readings: mean dot products, the paper's, and mean cosines; in the table's order."""
    read = [result for result in results if any(result.alignment(when, "dot") for when in PROTOCOLS)]
    return [_row(result) for result in sorted(read, key=_order)]


def _order(result: Result) -> tuple[int, int, int]:
    at = TABLES[4]
    places = [
        names.index(name) if name in names else len(names)
        for name, names in ((result.stream, at.streams), (result.method, at.methods))
    ]
    return places[0], places[1], -result.config["memory"]


def _row(result: Result) -> tuple[str, ...]:
    paper = DOT_PRODUCTS.get((result.stream, result.method))
    return (
        result.stream,
        result.method,
        "–" if result.method in NO_MEMORY else f"{result.config['memory']:,}",
        str(len(result.runs)),
        *(_reading(result.alignment(when, "dot")) for when in PROTOCOLS),
        f"{paper.mean:+.3f} ± {paper.deviation:.3f}" if paper else "–",
        *(_reading(result.alignment(when, "cosine")) for when in PROTOCOLS),
    )


def _reading(value: Interval | None) -> str:
    return "–" if value is None else f"{value:+.3f}"


def alignment_table(results: Sequence[Result]) -> str:
    """For a terminal; empty where there are no readings."""
    rows = alignment_rows(results)
    if not rows:
        return ""
    text, widths = aligned([HEADINGS, *rows])
    dots, cosines = sum(widths[:4]) + 8, sum(widths[:9]) + 18
    above = "dot products".rjust(dots + 12).ljust(cosines) + "cosines"
    return "\n".join([*ruled(text, above), CAPTION])


CAPTION = """\
Means over readings along the whole run between a new example's gradient and those of 5 old ones, drawn from all that
came (history) or from the learner's memory, before the new example was learned or after. ± is half of a 95 %
interval over seeds. The paper's (Table 4, ± std over 5 seeds) says neither when nor with which size of the memory."""
