"""The story's figures."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from everlearn.report.svg import COLOURS, grid, style, svg
from everlearn.story.addition import Course
from everlearn.story.dilemma import Point
from everlearn.story.tradeoff import AFTER, Microscope

PUBLISHED = ((1, 57), (2, 30))
"""Passes through the twos, and the ones that were right then, in percent, in 1989."""

_METHOD_COLOUR = dict(zip(("plain learning", "EWC", "ER", "MER"), COLOURS, strict=False))


def amnesia(courses: Sequence[Course], title: str, *, published: bool = False) -> str:
    """Ones and twos that are right after each pass through the twos: mean over networks, and their range."""
    with style():
        figure = Figure(figsize=(4.6, 3.2), layout="constrained")
        axes = figure.add_subplot()
        grid(axes)
        for name, colour in zip(("ones", "twos"), COLOURS, strict=False):
            values = 100 * np.array([one.ones if name == "ones" else one.twos for one in courses])
            passes = np.arange(values.shape[1])
            axes.plot(passes, values.mean(0), color=colour, linewidth=2, label=f"{name} facts")
            axes.fill_between(passes, values.min(0), values.max(0), color=colour, alpha=0.15, linewidth=0)
        if published:
            passes, right = zip(*PUBLISHED, strict=True)
            axes.plot(passes, right, "x", color=COLOURS[0], markersize=8, label="ones in 1989")
        axes.set(xlabel="passes through the twos", ylabel="right answers, %", ylim=(0, 104), xticks=range(0, 21, 5))
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2, columnspacing=1, fontsize=9.5)
        return svg(figure, title)


def dilemma(points: Mapping[str, Sequence[Point]]) -> str:
    """Stability against plasticity, one line a method."""
    with style():
        figure = Figure(figsize=(4.6, 4.4), layout="constrained")
        axes = figure.add_subplot()
        grid(axes)
        for method, own in points.items():
            colour, marker = _METHOD_COLOUR[method], "o" if method in ("plain learning", "EWC") else "D"
            x, y = ([100 * value for value in values] for values in zip(*_places(own), strict=True))
            axes.plot(x, y, marker=marker, color=colour, linewidth=1.4, markersize=6, label=method)
            for point in (own[0], own[-1]):
                place = (100 * point.plasticity, 100 * point.stability)
                axes.annotate(
                    point.knob, place, (8, -3), textcoords="offset points", fontsize=9.5, color=colour, clip_on=False
                )
        axes.set_xlabel("plasticity: accuracy on a task right after learning it, %")
        axes.set_ylabel("stability: how much of it is left at the end, %")
        axes.margins(x=0.16, y=0.08)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
        return svg(figure, "Stability against plasticity")


def _places(points: Sequence[Point]) -> list[tuple[float, float]]:
    return [(point.plasticity, point.stability) for point in points]


def heat_maps(name: str, seen: Microscope, limit: float) -> str:
    """How far the gradients of each two tasks agree, at three moments."""
    with style():
        figure = Figure(figsize=(4.6, 2.2), layout="constrained")
        mesh = None
        for i, (after, matrix) in enumerate(zip(AFTER, seen.matrices, strict=True)):
            axes = figure.add_subplot(1, len(AFTER), i + 1)
            mesh = axes.pcolormesh(np.array(matrix), cmap="RdBu", vmin=-limit, vmax=limit, edgecolors="face")
            axes.set(aspect="equal", xticks=[], yticks=[])
            axes.invert_yaxis()
            axes.set_title(f"after task {after}", fontsize=9.5)
            axes.set_xlabel("task", fontsize=9.5)
            if i == 0:
                axes.set_ylabel("task", fontsize=9.5)
        if mesh is not None:
            bar = figure.colorbar(mesh, ax=figure.axes, shrink=0.75, aspect=12)
            bar.ax.set_title("cosine", fontsize=9.5)
        figure.suptitle(name, x=0.02, ha="left", fontsize=11)
        return svg(figure, f"Agreement of the gradients of each two tasks, {name}")


def distribution(seen: Mapping[str, Microscope]) -> str:
    """How the cosines between new and old gradients are spread."""
    with style():
        figure = Figure(figsize=(4.6, 3.2), layout="constrained")
        axes = figure.add_subplot()
        grid(axes)
        edges = [i / 40 for i in range(-24, 25)]
        for name, own in seen.items():
            values = np.clip(own.cosines, edges[0], edges[-1])
            weights = np.full(len(values), 1 / len(values))
            colour = _METHOD_COLOUR[name]
            axes.hist(values, edges, weights=weights, histtype="step", color=colour, linewidth=1.6, label=name)
        axes.set(xlabel="cosine of a new example's gradient with an old one's", ylabel="share of pairs (log scale)")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
        return svg(figure, "Distribution of the cosines between new and old gradients")


def over_the_stream(seen: Mapping[str, Microscope]) -> str:
    """The mean cosine between new and old gradients, task by task."""
    with style():
        figure = Figure(figsize=(4.6, 3.2), layout="constrained")
        axes = figure.add_subplot()
        grid(axes)
        axes.axhline(0, color="#888888", linewidth=0.8)
        for name, own in seen.items():
            examples, means = zip(*own.over_time, strict=True)
            axes.plot(examples, means, marker="o", color=_METHOD_COLOUR[name], markersize=4, label=name)
        axes.set(xlabel="examples seen", ylabel="mean cosine, new with old")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
        return svg(figure, "Mean cosine between new and old gradients over the stream")
