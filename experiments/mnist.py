"""The tables of docs/results/mnist.md, from the records in experiments/mnist."""

from pathlib import Path

from everlearn.metrics import backward_transfer, learning_accuracy, retained_accuracy
from everlearn.published import REPRODUCED_SEEDS, Figure, reproduced
from everlearn.report import Result, read_results
from everlearn.report.welch import Difference, Sample, difference, sample

RECORDS = Path(__file__).parent / "mnist"
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


def gap(result: Result) -> Difference:
    """Our retained accuracy less the paper's on 25 seeds, with Welch's 99 % interval."""
    theirs = reproduced(result.stream, result.method, result.config["memory"])
    ours = sample([100 * retained_accuracy(run.matrix) for run in result.runs])
    return difference(ours, Sample(theirs.mean, theirs.deviation, REPRODUCED_SEEDS))


def is_finding(result: Result) -> bool:
    """Whether the interval excludes 0 and the difference is above half a point."""
    return gap(result).excludes_zero and abs(gap(result).mean) > 0.5


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
    cells = [
        METHODS[result.method],
        "–" if result.method == "online" else f"{result.config['memory']:,}",
        _ours(result, retained_accuracy),
        _figure(theirs),
        f"{gap(result).mean:+.2f} ± {gap(result).half:.2f}" + (" **finding**" if is_finding(result) else ""),
        _ours(result, learning_accuracy),
        _ours(result, backward_transfer, "+"),
        *(_figure(one) for one in (paper.ra, paper.la, paper.bti)),
    ]
    return f"| {' | '.join(cells)} |".replace("-", "−")


def _ours(result: Result, metric, sign: str = "") -> str:
    value = result.measure(metric)
    return f"{value.mean:{sign}.2f} ± {value.half:.2f}"


def _figure(figure: Figure | None) -> str:
    return "" if figure is None else f"{figure.mean:.2f} ± {figure.deviation:.2f}"


def tables() -> str:
    """All of them."""
    results = [result for result in read_results([RECORDS]) if result.as_in_paper]
    return "\n\n".join(table(stream, results) for stream in STREAMS)
