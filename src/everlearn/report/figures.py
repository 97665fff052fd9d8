"""Accuracy and scores over time."""

from collections.abc import Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from everlearn.report.language import Readings
from everlearn.report.lives import Lives
from everlearn.report.results import Result, names
from everlearn.report.svg import COLOURS, grid, style, svg

_TASKS = LinearSegmentedColormap.from_list("tasks", ["#2f7ed8", "#1c9a6c", "#b58a12", "#e0672a", "#d64550"])


def seen_so_far(results: Sequence[Result], title: str = "") -> str:
    """The mean accuracy on the tasks seen so far, one line a result, with its range over seeds."""
    with style():
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
        columns = 3 if max(map(len, names(results))) < 20 else 1
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0.2, title=title, alignment="left"
        )
        return svg(figure, f"Mean accuracy on the tasks seen so far, {results[0].length} {title}".rstrip())


def every_task(result: Result, name: str) -> str:
    """The accuracy of every task over the stream, mean over seeds, from first (blue) to last (red)."""
    with style():
        figure, axes = _axes(4.6, 3.0)
        examples, values = _over_seeds(result)
        tasks = values.shape[2]
        for task in range(tasks):
            axes.plot(examples, 100 * values[:, :, task].mean(0), color=_TASKS(task / max(1, tasks - 1)), linewidth=1.1)
        axes.set_ylabel("accuracy, %")
        axes.set_title(name, loc="left", fontsize=11)
        return svg(figure, f"Accuracy of every task, {name}, {result.length}")


def every_game(group: Sequence[Lives], names: Sequence[str]) -> list[str]:
    """For each arm the score of every task, mean over seeds, from first (blue) to last (red); thick in training.

    Where the paper has this arm on these tasks, its curves are dotted.
    """
    ours = [lives.curves()[1].mean(0).ravel() for lives in group]
    scores = np.concatenate([*ours, *(np.ravel(task) for lives in group for task in lives.published[1])])
    margin = 0.05 * max(1.0, np.ptp(scores))
    limits = scores.min() - margin, scores.max() + margin
    return [_every_game(lives, name, limits) for lives, name in zip(group, names, strict=True)]


def _every_game(lives: Lives, name: str, limits: tuple[float, float]) -> str:
    with style():
        figure, axes = _axes(4.6, 3.0, "frames", limits)
        frames, values = lives.curves()
        tasks, length = values.shape[2], lives.experiment.frames
        for task in range(tasks):
            colour, mean = _TASKS(task / max(1, tasks - 1)), values[:, :, task].mean(0)
            axes.plot(frames, mean, color=colour, linewidth=1.1)
            own = (frames > task * length) & (frames <= (task + 1) * length)
            axes.plot(frames[own], mean[own], color=colour, linewidth=3.2, solid_capstyle="round")
        at, theirs = lives.published
        for task, scores in enumerate(theirs):
            axes.plot(at, scores, color=_TASKS(task / max(1, tasks - 1)), linewidth=0.9, linestyle=":", alpha=0.7)
        axes.set_ylabel("score")
        axes.set_title(name, loc="left", fontsize=11)
        return svg(figure, f"Score of every task, {name}, {lives.experiment.folder()}")


def every_text(group: Sequence[Readings]) -> list[str]:
    """For each arm the loss on every text, mean over seeds, from first (blue) to last (red); thick while it is read."""
    losses = np.concatenate([readings.curves()[1][:, 1:].mean(0).ravel() for readings in group])
    return [_every_text(readings, (0.0, 1.05 * float(losses.max()))) for readings in group]


def _every_text(readings: Readings, limits: tuple[float, float]) -> str:
    with style():
        figure, axes = _axes(4.6, 3.0, "batches", limits)
        steps, values = readings.curves()
        texts, length = readings.config["texts"], readings.config["steps"]
        for number, name in enumerate(texts):
            colour, mean = _TASKS(number / max(1, len(texts) - 1)), values[:, :, number].mean(0)
            axes.plot(steps, mean, color=colour, linewidth=1.1, label=name)
            own = (steps >= number * length) & (steps <= (number + 1) * length)
            if not readings.config["joint"]:
                axes.plot(steps[own], mean[own], color=colour, linewidth=3.2, solid_capstyle="round")
        axes.set_ylabel("nats a byte")
        axes.set_title(readings.arm, loc="left", fontsize=11)
        axes.legend(fontsize=8, frameon=False)
        return svg(figure, f"Loss on every text, {readings.arm}, {readings.runs[0].folder.name}")


def _axes(
    width: float, height: float, along: str = "examples seen", limits: tuple[float, float] = (0, 100)
) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(along)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_ylim(*limits)
    grid(axes)
    return figure, axes


def _over_seeds(result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Examples seen (points,) and accuracies (runs, points, tasks)."""
    curves = [run.curves for run in result.runs]
    return curves[0][0], np.stack([accuracy for _, accuracy in curves])
