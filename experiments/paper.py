"""The tables of docs/results/paper.md, from the records beside this file."""

from functools import cache

from mnist import SEEDS, STREAMS, figure, of_paper, recorded, row

from everlearn.metrics import backward_transfer, forward_transfer, learning_accuracy, retained_accuracy
from everlearn.presets import NO_MEMORY, TABLES
from everlearn.published import FORWARD, REPRODUCED_SEEDS, Figure, published, reproduced
from everlearn.report import Result
from everlearn.report.alignment import HEADINGS, PROTOCOLS, alignment_rows
from everlearn.report.welch import Difference, Sample, difference, sample

NAMES = {
    "online": "Online",
    "independent": "Independent",
    "task-input": "Task Input",
    "ewc": "EWC",
    "gem": "GEM",
    "gem-reservoir": "GEM, reservoir",
    "er": "ER, Algorithm 4",
    "task-er": "ER with tasks, 5",
    "task-er-adam": "ER with tasks, Adam",
    "task-er-rmsprop": "ER with tasks, RMSProp",
    "task-er-ring": "ER with tasks, GEM's memory",
    "mer": "MER, 1",
    "mer-big": "MER, one big batch, 6",
    "mer-current": "MER, current rate, 7",
}


@cache
def results() -> dict[tuple[str, str, int | None], Result]:
    """Every recorded setting of the paper's, by stream, method and memory."""
    found = {}
    for one in of_paper():
        found[one.stream, one.method, None if one.method in NO_MEMORY else one.config["memory"]] = one
    return found


def cells(number: int) -> list[Result]:
    """What is recorded of a table, in its order."""
    at = TABLES[number]
    wanted = [
        (stream, method, memory)
        for stream in at.streams
        for method in at.methods
        for memory in ([None] if method in NO_MEMORY else at.memories)
    ]
    return [results()[one] for one in wanted if one in results()]


def accuracies(number: int) -> str:
    """RA, LA and BTI beside the paper's 5 seeds."""
    lines = [
        "| stream | method | memory | seeds | RA | paper | difference, 99 % "
        "| LA | paper | BTI | paper | steps | seconds |",
        "|---" * 13 + "|",
    ]
    for one in cells(number):
        theirs = published(one.stream, one.method, one.config["memory"])
        lines.append(
            row(
                [
                    *_names(one),
                    _ours(one, retained_accuracy),
                    figure(theirs and theirs.ra),
                    _gap(one, retained_accuracy, theirs and theirs.ra, SEEDS),
                    _marked(one, learning_accuracy, theirs and theirs.la, _ours(one, learning_accuracy)),
                    figure(theirs and theirs.la),
                    _marked(one, backward_transfer, theirs and theirs.bti, _ours(one, backward_transfer, "+")),
                    figure(theirs and theirs.bti),
                    *_cost(one),
                ]
            )
        )
    return "\n".join(lines)


def reproductions(number: int) -> str:
    """RA beside the paper's 25 other seeds."""
    lines = [
        "| method | memory | seeds | RA | paper, 25 seeds | difference, 99 % | steps | seconds |",
        "|---" * 8 + "|",
    ]
    for one in cells(number):
        theirs = reproduced(one.stream, one.method, one.config["memory"])
        gap = _gap(one, retained_accuracy, theirs, REPRODUCED_SEEDS)
        lines.append(row([*_names(one)[1:], _ours(one, retained_accuracy), figure(theirs), gap, *_cost(one)]))
    return "\n".join(lines)


def transfer() -> str:
    """Table 5: forward transfer."""
    lines = ["| method | memory | seeds | FTI | paper | difference, 99 % |", "|---" * 6 + "|"]
    for one in cells(5):
        theirs = FORWARD[one.method]
        gap = _gap(one, forward_transfer, theirs, SEEDS)
        lines.append(row([*_names(one)[1:], _ours(one, forward_transfer), figure(theirs), gap]))
    return "\n".join(lines)


def findings() -> dict[tuple[str, str, int | None], list[str]]:
    """By stream, method and memory, the measures in which ours is a finding; "RA of 25" is against 25 seeds."""
    found = {}
    for (stream, method, memory), one in results().items():
        theirs = published(stream, method, one.config["memory"])
        forward = FORWARD.get(method) if (stream, memory) in (("rotations", 5120), ("rotations", None)) else None
        compared = {
            "RA": (retained_accuracy, theirs and theirs.ra, SEEDS),
            "LA": (learning_accuracy, theirs and theirs.la, SEEDS),
            "BTI": (backward_transfer, theirs and theirs.bti, SEEDS),
            "FTI": (forward_transfer, forward, SEEDS),
            "RA of 25": (retained_accuracy, reproduced(stream, method, one.config["memory"]), REPRODUCED_SEEDS),
        }
        names = [name for name, (metric, *rest) in compared.items() if _is_finding(one, metric, *rest)]
        if names:
            found[stream, method, memory] = names
    return found


def other_rates() -> str:
    """Online learning and EWC at other learning rates than the paper says it chose."""
    together = [*results().values(), *recorded("online-rates"), *recorded("ewc-rates")]
    lines = ["| stream | method | learning rate | RA | LA | BTI | FTI |", "|---" * 7 + "|"]
    for stream, method in (("rotations", "online"), ("rotations", "ewc"), ("permutations", "ewc")):
        found = [one for one in together if (one.stream, one.method) == (stream, method)]
        for one in sorted(found, key=lambda one: one.config["lr"]):
            told = [_ours(one, retained_accuracy), _ours(one, learning_accuracy), _ours(one, backward_transfer, "+")]
            transferred = _ours(one, forward_transfer) if stream == "rotations" else ""
            lines.append(row([STREAMS[stream], NAMES[method], f"{one.config['lr']:g}", *told, transferred]))
        theirs = published(stream, method, 5120)
        figures = map(figure, (theirs.ra, theirs.la, theirs.bti))
        transferred = figure(FORWARD[method]) if stream == "rotations" else ""
        lines.append(row([STREAMS[stream], NAMES[method], "the paper", *figures, transferred]))
    return "\n".join(lines)


def alignment() -> str:
    """Table 4: dot products and cosines under each protocol."""
    head = (*HEADINGS[: -len(PROTOCOLS)], *(f"cosine, {when}" for when in PROTOCOLS))
    rows = [[STREAMS[stream], NAMES[method], *rest] for stream, method, *rest in alignment_rows(recorded("paper"))]
    return "\n".join([row(list(head)), "|---" * len(head) + "|", *map(row, rows)])


def signs() -> str:
    """In how many settings each protocol shows the published signs: ER's mean below 0, MER's above."""
    found = [one for one in recorded("paper") if one.alignment("before history", "dot")]
    at = {(one.stream, one.config["memory"], one.method): one for one in found if one.method not in NO_MEMORY}
    settings = sorted({(stream, memory) for stream, memory, _ in at})
    lines = [f"| | {' | '.join(PROTOCOLS)} |", "|---" * (1 + len(PROTOCOLS)) + "|"]
    for replay in ("er", "task-er"):
        for mer in ("mer", "mer-big", "mer-current"):
            told = []
            for when in PROTOCOLS:
                pairs = [
                    (at[*one, replay].alignment(when, "dot"), at[*one, mer].alignment(when, "dot")) for one in settings
                ]
                as_published = [(a, b) for a, b in pairs if a.mean < 0 < b.mean]
                sure = sum(a.mean + a.half < 0 < b.mean - b.half for a, b in as_published)
                told.append(f"{len(as_published)} of {len(pairs)}; {sure} for sure")
            lines.append(row([f"{NAMES[replay]} and {NAMES[mer]}", *told]))
    return "\n".join(lines)


def _ours(one: Result, metric, sign: str = "") -> str:
    value = one.measure(metric)
    return f"{value.mean:{sign}.2f}" + ("" if value.half is None else f" ± {value.half:.2f}")


def _difference(one: Result, metric, theirs: Figure | None, seeds: int) -> Difference | None:
    """Ours less the paper's, with Welch's 99 % interval, once all seeds are there: two of Omniglot's."""
    if theirs is None or len(one.runs) < (2 if one.stream == "omniglot" else SEEDS):
        return None
    ours = sample([100 * metric(run.matrix) for run in one.runs])
    return difference(ours, Sample(theirs.mean, theirs.deviation, seeds))


def _gap(one: Result, metric, theirs: Figure | None, seeds: int) -> str:
    gap = _difference(one, metric, theirs, seeds)
    return "" if gap is None else _marked(one, metric, theirs, f"{gap.mean:+.2f} ± {gap.half:.2f}", seeds)


def _marked(one: Result, metric, theirs: Figure | None, text: str, seeds: int = SEEDS) -> str:
    """In bold where the difference is a finding."""
    return f"**{text}**" if _is_finding(one, metric, theirs, seeds) else text


def _is_finding(one: Result, metric, theirs: Figure | None, seeds: int) -> bool:
    gap = _difference(one, metric, theirs, seeds)
    return gap is not None and gap.excludes_zero and abs(gap.mean) > 0.5


def _names(one: Result) -> list[str]:
    memory = "–" if one.method in NO_MEMORY else f"{one.config['memory']:,}"
    stream = STREAMS.get(one.stream, "Omniglot")
    return [stream, NAMES[one.method], memory, str(len(one.runs))]


def _cost(one: Result) -> list[str]:
    seconds = sum(run.seconds for run in one.runs) / len(one.runs)
    return [f"{one.runs[0].steps:,}", f"{seconds:,.0f}"]


if __name__ == "__main__":
    for number in (1, 2, 3, 6):
        print(accuracies(number), end="\n\n")
    print(transfer(), end="\n\n")
    for number in (7, 8, 9):
        print(reproductions(number), end="\n\n")
    print(alignment())
