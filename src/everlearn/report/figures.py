"""Accuracy over time, as SVG that takes its text colour from the page."""

import io
import re
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from everlearn.report.results import Result, names

# Drawn in this colour, then replaced by the page's own: the figures follow light and dark.
_INK = "#0a0b0c"
COLOURS = ("#2f7ed8", "#e0672a", "#1c9a6c", "#c050a8", "#b58a12", "#7a6ae0", "#d64550")
"""Of like lightness, so that each can be told on white and on black."""
_TASKS = LinearSegmentedColormap.from_list("tasks", ["#2f7ed8", "#1c9a6c", "#b58a12", "#e0672a", "#d64550"])

_STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
}


def seen_so_far(results: Sequence[Result], title: str = "") -> str:
    """The mean accuracy on the tasks seen so far, one line a result, with its range over seeds."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(6.4, 3.4)
        for result, name, colour in zip(results, names(results), cycle(COLOURS), strict=False):
            examples, values = _over_seeds(result)
            started = np.clip((result.runs[0].begins < examples[:, None]).sum(1), 1, None)
            means = np.array([[point[:n].mean() for point, n in zip(run, started, strict=True)] for run in values])
            axes.plot(examples, 100 * means.mean(0), color=colour, label=name, linewidth=1.8)
            if len(means) > 1:
                low, high = 100 * means.min(0), 100 * means.max(0)
                axes.fill_between(examples, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.set_ylabel("accuracy on tasks seen so far, %")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2, title=title, alignment="left")
        return _svg(figure, f"Mean accuracy on the tasks seen so far, {results[0].length} {title}".rstrip())


def every_task(result: Result, name: str) -> str:
    """The accuracy of every task over the stream, mean over seeds, from first (blue) to last (red)."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(4.6, 3.0)
        examples, values = _over_seeds(result)
        tasks = values.shape[2]
        for task in range(tasks):
            axes.plot(examples, 100 * values[:, :, task].mean(0), color=_TASKS(task / max(1, tasks - 1)), linewidth=1.1)
        axes.set_ylabel("accuracy, %")
        axes.set_title(name, loc="left", fontsize=11)
        return _svg(figure, f"Accuracy of every task, {name}, {result.length}")


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel("examples seen")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_ylim(0, 100)
    axes.grid(color=_INK, alpha=0.12, linewidth=0.6)
    return figure, axes


def _over_seeds(result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Examples seen (points,) and accuracies (runs, points, tasks)."""
    curves = [run.curves for run in result.runs]
    return curves[0][0], np.stack([accuracy for _, accuracy in curves])


def _svg(figure: Figure, title: str) -> str:
    """The figure as an <svg> element that scales with its place and names itself to screen readers."""
    file = io.StringIO()
    # The salt keeps the identifiers of one page's figures apart.
    with mpl.rc_context({"svg.hashsalt": title}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Title": title})
    _, start, rest = file.getvalue().partition("<svg ")
    rest = re.sub(r'(width|height)="[^"]*pt" ', "", rest, count=2)
    return start + 'role="img" ' + rest.replace(_INK, "currentColor")
