"""The report: one self-contained HTML page."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from everlearn.files import write_whole
from everlearn.report.alignment import CAPTION, PROTOCOLS, alignment_rows
from everlearn.report.alignment import HEADINGS as ALIGNED
from everlearn.report.figures import every_task, every_text, seen_so_far
from everlearn.report.games import game_section
from everlearn.report.html import page, settings, table
from everlearn.report.language import CAPTION as LANGUAGE_CAPTION
from everlearn.report.language import HEADINGS as LANGUAGE
from everlearn.report.language import Readings, language_gaps, language_rows, language_title
from everlearn.report.lives import Lives
from everlearn.report.results import Result, names
from everlearn.report.svg import COLOURS
from everlearn.report.tables import HEADINGS, by_stream, caption, paper_heading, rows

OURS = len(HEADINGS) - 3
"""Columns before the paper's."""

SECTION = Template("""<section>
<h2>$title</h2>
<p>$caption</p>
$table
<h2>Accuracy over the stream</h2>
<p>On the tasks that have begun so far: the mean over seeds, and their range.</p>
$overview
$alignment
<h2>Every task</h2>
<p>One line a task, from the first (blue) to the last (red), the mean over seeds. A line that falls after its task has
passed is forgetting.</p>
<div class="figures">
$tasks
</div>
$settings
</section>""")

ALIGNMENT = Template("""<h2>How gradients agree</h2>
<p>$caption</p>
$table""")

ABOVE_ALIGNED = (
    f'<tr><th colspan="4"></th><th colspan="{len(PROTOCOLS)}">dot products</th><th></th>'
    f'<th colspan="{len(PROTOCOLS)}">cosines</th></tr>'
)

TEXTS = Template("""<section>
<h2>$title</h2>
<p>$caption</p>
$table
<p>$gaps</p>
<h2>Every text</h2>
<p>One line a text, the mean over seeds; thick while the text is read. A line that rises after that is forgetting.</p>
<div class="figures">
$figures
</div>
$settings
</section>""")


def write_page(
    results: Sequence[Result],
    path: Path,
    games: Sequence[Sequence[Lives]] = (),
    readings: Sequence[Sequence[Readings]] = (),
) -> None:
    """Write the report.

    Args:
        results: of any streams; each gets a section.
        path: the HTML file, written whole or not at all.
        games: of any sequences; each comparison gets a section.
        readings: of any texts, likewise.

    Raises:
        OSError: it can't be written.
    """
    sections = [*map(_section, by_stream(results)), *map(game_section, games), *map(_text_section, readings)]
    write_whole(path, page("everlearn report", "\n".join(sections)).encode())


def _section(results: Sequence[Result]) -> str:
    # Where both are there, the runs in which gradients were measured have fewer points of the same curves.
    drawn = [one for one in results if not one.config.get("alignment")] or results
    return SECTION.substitute(
        title=escape(_title(results[0])),
        caption=escape(caption(results)).replace("\n", "<br>"),
        table=table(HEADINGS, rows(results), above=_above(results), theirs=OURS),
        overview="\n".join(f'<figure class="one">{figure}</figure>' for figure in _overview(drawn)),
        tasks="\n".join(
            f"<figure>{every_task(result, name)}</figure>" for result, name in zip(drawn, names(drawn), strict=True)
        ),
        alignment=_alignment(results),
        settings=settings((one.config, one.seeds, one.runs[0].versions) for one in results),
    )


def _above(results: Sequence[Result]) -> str:
    across = len(HEADINGS) - OURS
    return f'<tr><th colspan="{OURS}"></th><th colspan="{across}" class="theirs">{paper_heading(results)}</th></tr>'


def _text_section(group: Sequence[Readings]) -> str:
    return TEXTS.substitute(
        title=escape(language_title(group)),
        caption=escape(LANGUAGE_CAPTION).replace("\n", "<br>"),
        table=table(LANGUAGE, language_rows(group)),
        gaps="<br>".join(map(escape, language_gaps(group))),
        figures="\n".join(f"<figure>{figure}</figure>" for figure in every_text(group)),
        settings=settings((one.config, one.seeds, one.runs[0].versions) for one in group),
    )


def _alignment(results: Sequence[Result]) -> str:
    """Table 4 of these results; nothing where no meter read."""
    found = alignment_rows(results)
    if not found:
        return ""
    return ALIGNMENT.substitute(
        caption=escape(CAPTION).replace("\n", " "), table=table(ALIGNED, found, above=ABOVE_ALIGNED)
    )


def _title(result: Result) -> str:
    return result.stream if result.data == result.stream else f"{result.stream} of {result.data}"


def _overview(results: Sequence[Result]) -> list[str]:
    """One figure; where there are more results than colours, one or more for each size of the memory."""
    if len(results) <= len(COLOURS):
        return [seen_so_far(results)]
    # In the same order in each, so that a method keeps its colour.
    ordered = sorted(results, key=lambda result: (result.method == "online", result.method))
    figures = []
    for size in sorted({result.config["memory"] for result in results}, reverse=True):
        own, most = [result for result in ordered if result.config["memory"] == size], len(COLOURS)
        figures += [seen_so_far(own[i : i + most], f"memory {size:,}") for i in range(0, len(own), most)]
    return figures
