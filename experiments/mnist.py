"""The tables of docs/results/mnist.md, from the records beside this file."""

from collections import defaultdict
from functools import cache
from pathlib import Path

from everlearn.metrics import backward_transfer, learning_accuracy, retained_accuracy
from everlearn.presets import NO_MEMORY
from everlearn.published import REPRODUCED_SEEDS, Figure, published, reproduced
from everlearn.report import Result, read_results
from everlearn.report.welch import Difference, Sample, difference, sample

HERE = Path(__file__).parent
SEEDS = 5
STREAMS = {
    "rotations": "Rotations",
    "permutations": "Permutations",
    "many-permutations": "Many Permutations",
}
METHODS = {
    "online": "Online",
    "er": "ER, Algorithm 4",
    "task-er": "ER with tasks, 5",
    "mer": "MER, 1",
    "mer-big": "MER, one big batch, 6",
    "mer-current": "MER, current rate, 7",
}


@cache
def recorded(folder: str) -> list[Result]:
    """What is recorded in one of the folders here."""
    return read_results([HERE / folder])


@cache
def of_paper() -> list[Result]:
    """The paper's settings, without the runs whose gradients were measured."""
    return [one for one in recorded("paper") if one.as_in_paper and "alignment" not in one.config]


def gap(result: Result) -> Difference:
    """Our retained accuracy less the paper's on 25 seeds, with Welch's 99 % interval."""
    theirs = reproduced(result.stream, result.method, result.config["memory"])
    return _gap(result, retained_accuracy, theirs, REPRODUCED_SEEDS)


def findings(result: Result) -> list[str]:
    """In which of RA, LA and BTI the interval excludes 0 and the difference is above half a point.

    LA and BTI are compared where the paper prints them, which is on 5 seeds.
    """
    paper = result.published
    gaps = {"RA": gap(result)}
    if paper.la is not None:
        gaps["LA"] = _gap(result, learning_accuracy, paper.la, SEEDS)
        gaps["BTI"] = _gap(result, backward_transfer, paper.bti, SEEDS)
    return [name for name, one in gaps.items() if one.excludes_zero and abs(one.mean) > 0.5]


def _gap(result: Result, metric, theirs: Figure, seeds: int) -> Difference:
    return difference(_sample(result, metric), Sample(theirs.mean, theirs.deviation, seeds))


def _sample(result: Result, metric) -> Sample:
    return sample([100 * metric(run.matrix) for run in result.runs])


def table(stream: str, results: list[Result]) -> str:
    """One stream's cells: ours beside the paper's."""
    lines = [
        f"## {STREAMS[stream]}",
        "",
        "| method | memory | RA | paper, 25 seeds | difference, 99 % | LA | BTI | paper, 5 seeds: RA | LA | BTI |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    order = sorted(results, key=lambda one: (list(METHODS).index(one.method), -one.config["memory"]))
    lines += [_line(result) for result in order if result.stream == stream]
    return "\n".join(lines)


def _line(result: Result) -> str:
    paper, theirs = result.published, reproduced(result.stream, result.method, result.config["memory"])
    marks = {name: f" **{name} finding**" for name in findings(result)}
    cells = [
        METHODS[result.method],
        "–" if result.method == "online" else f"{result.config['memory']:,}",
        _ours(result, retained_accuracy),
        figure(theirs),
        f"{gap(result).mean:+.2f} ± {gap(result).half:.2f}" + marks.get("RA", ""),
        _ours(result, learning_accuracy) + marks.get("LA", ""),
        _ours(result, backward_transfer, "+") + marks.get("BTI", ""),
        *(figure(one) for one in (paper.ra, paper.la, paper.bti)),
    ]
    return row(cells)


def row(cells: list[str]) -> str:
    """A row of a table, with minus signs for hyphens."""
    return f"| {' | '.join(cells)} |".replace("-", "−")


def _ours(result: Result, metric, sign: str = "") -> str:
    value = result.measure(metric)
    return f"{value.mean:{sign}.2f} ± {value.half:.2f}"


def figure(theirs: Figure | None) -> str:
    """A number of the paper's; nothing where there is none."""
    return "" if theirs is None else f"{theirs.mean:.2f} ± {theirs.deviation:.2f}"


def tables() -> str:
    """All of them."""
    results = [one for one in of_paper() if one.stream in STREAMS and one.method in METHODS]
    return "\n\n".join(table(stream, results) for stream in STREAMS)


def more_seeds() -> str:
    """The cells that were run on 20 further seeds: all 25 together."""
    runs = defaultdict(list)
    for result in of_paper() + recorded("more-seeds"):
        memory = None if result.method in NO_MEMORY else result.config["memory"]
        runs[result.stream, result.method, memory] += result.runs
    lines = ["| stream | method | seeds | RA ± std | paper, 25 seeds | difference, 99 % |", "|---" * 6 + "|"]
    for (stream, method, _), together in sorted(runs.items(), key=lambda one: [*STREAMS, "omniglot"].index(one[0][0])):
        if len(together) > SEEDS:
            result = Result(together)
            ours, theirs = _sample(result, retained_accuracy), reproduced(stream, method, result.config["memory"])
            name = "EWC" if method == "ewc" else METHODS[method]
            cells = [
                STREAMS[stream],
                name,
                f"{ours.size}",
                f"{ours.mean:.2f} ± {ours.deviation:.2f}",
            ]
            lines += [row([*cells, figure(theirs), f"{gap(result).mean:+.2f} ± {gap(result).half:.2f}"])]
    return "\n".join(lines)


def online_rates() -> str:
    """Online learning on Permutations at several learning rates."""
    found = of_paper() + recorded("online-rates")
    found = [one for one in found if (one.stream, one.method) == ("permutations", "online")]
    own = sorted(found, key=lambda one: one.config["lr"])
    lines = ["| learning rate | RA | LA | BTI |", "|---" * 4 + "|"]
    for result in own:
        measured = [_ours(result, retained_accuracy), _ours(result, learning_accuracy)]
        lines += [row([f"{result.config['lr']:g}", *measured, _ours(result, backward_transfer, "+")])]
    paper = published("permutations", "online", 0)
    lines += [row(["the paper, Table 1", *map(figure, (paper.ra, paper.la, paper.bti))])]
    return "\n".join(lines)
