"""MER against sequential replay at equal compute: docs/results/equal-compute.md.

Sequential replay takes the very steps of MER, Algorithm 1, without the Reptile steps: it is MER
with beta = gamma = 1. Its learning rate is searched on seeds of its own, MER has the paper's.

    python experiments/equal_compute.py run      runs what is missing, some hours on two cores
    python experiments/equal_compute.py          prints the tables
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from math import ceil
from pathlib import Path
from statistics import fmean
from time import perf_counter

import asked
import torch
from mnist import of_paper

from everlearn.experiment import Experiment
from everlearn.launch import launch
from everlearn.methods import MER
from everlearn.metrics import retained_accuracy
from everlearn.presets import paper
from everlearn.report import Result, read_results
from everlearn.report.welch import paired_difference
from everlearn.run import Evaluation

HERE = Path(__file__).parent
SEARCH, RUNS = HERE / "equal-compute/search", HERE / "equal-compute/runs"
TIMES = HERE / "equal-compute/times.json"
RATES = (5e-4, 1e-3, 3e-3, 1e-2, 3e-2)
SEARCH_SEEDS, SEEDS = range(100, 103), range(10)
MEMORIES = (200, 500, 5120)


@dataclass(frozen=True)
class Setting:
    """A stream and a memory of the paper's."""

    stream: str
    memory: int

    def __str__(self) -> str:
        return f"{self.stream} at {self.memory}"

    def mer(self, seed: int) -> Experiment:
        """MER as the paper has it."""
        return paper(self.stream, "mer", self.memory, seed=seed)

    def sequential(self, lr: float, seed: int, batches: int | None = None) -> Experiment:
        """The same steps without Reptile; or with more batches for each example."""
        mer = self.mer(seed)
        method = replace(mer.method, beta=1.0, gamma=1.0, batches=batches or mer.method.batches)
        return replace(mer, method=method, lr=lr, evaluation=Evaluation())


SETTINGS = [Setting(stream, memory) for memory in MEMORIES for stream in ("rotations", "permutations")]


@cache
def read(place: Path) -> list[Result]:
    """What is recorded in a folder; nothing where there is none."""
    return read_results([place]) if place.exists() and any(place.rglob("record.jsonl")) else []


def results(found: list[Result], setting: Setting) -> list[Result]:
    """Those of a setting."""
    return [one for one in found if (one.stream, one.config["memory"]) == (setting.stream, setting.memory)]


def is_sequential(result: Result) -> bool:
    """Whether it is MER without its Reptile steps."""
    method = result.config["method"]
    return (method["name"], method["beta"], method["gamma"]) == (MER.__name__, 1.0, 1.0)


def accuracy(result: Result) -> dict[int, float]:
    """Retained accuracy in percent, by seed."""
    return {run.config["seed"]: 100 * retained_accuracy(run.matrix) for run in result.runs}


def searched(setting: Setting) -> dict[float, float]:
    """Mean retained accuracy on the search's seeds, by learning rate, in order."""
    found = {one.config["lr"]: one for one in results(read(SEARCH), setting) if one.seeds == list(SEARCH_SEEDS)}
    return {lr: fmean(accuracy(found[lr]).values()) for lr in sorted(found)}


def best_rate(setting: Setting) -> float:
    """The learning rate that the search found best."""
    means = searched(setting)
    return max(means, key=means.__getitem__)


def midpoints(setting: Setting) -> list[float]:
    """Rates half-way, in ratio, from the best of the grid to its neighbours."""
    means = {lr: mean for lr, mean in searched(setting).items() if lr in RATES}
    place = RATES.index(max(means, key=means.__getitem__))
    neighbours = [RATES[i] for i in (place - 1, place + 1) if 0 <= i < len(RATES)]
    return [float(f"{(RATES[place] * other) ** 0.5:.1e}") for other in neighbours]


def sequential_runs(setting: Setting, batches: int) -> Result | None:
    """Runs without Reptile, with so many batches for each example."""
    own = [one for one in results(read(RUNS), setting) if is_sequential(one)]
    return next((one for one in own if one.config["method"]["batches"] == batches), None)


def mer_runs(setting: Setting) -> Result:
    """MER on all seeds; the first five are those of the paper's tables."""
    own = [one for one in results(of_paper() + read(RUNS), setting) if one.method == "mer" and one.as_in_paper]
    runs = {run.config["seed"]: run for one in own for run in one.runs}
    return Result([runs[seed] for seed in sorted(runs)])


def times() -> dict[str, dict[str, float]]:
    """Milliseconds of learning an example, with MER and without Reptile, as `measure` found them."""
    return json.loads(TIMES.read_text()) if TIMES.exists() else {}


def measure(setting: Setting) -> dict[str, float]:
    """The best of several times for each, taken in turns in this process, with the memory full."""
    torch.set_num_threads(1)
    learners = [setting.mer(0).learner(), setting.sequential(best_rate(setting), 0).learner()]
    stream = setting.mer(0).stream
    rows = list(islice(stream, 30))
    for learner in learners:
        for batch in islice(replace(stream, batch_size=200), setting.memory // 200 + 1):
            learner.memory.add(batch)
        learner.learn(rows[0])
    best = [float("inf")] * 2
    for _ in range(7):
        for i, learner in enumerate(learners):
            started = perf_counter()
            for batch in rows:
                learner.learn(batch)
            best[i] = min(best[i], 1e3 * (perf_counter() - started) / len(rows))
    return dict(zip(("mer", "sequential"), best, strict=True))


def batches_for_equal_seconds(setting: Setting) -> int:
    """How many batches for each example sequential replay affords in MER's time, rounded up."""
    own = times()[str(setting)]
    return ceil(setting.mer(0).method.batches * own["mer"] / own["sequential"])


def run() -> None:
    """Everything that is missing, the cheapest settings first."""
    for setting in SETTINGS:
        perform(SEARCH, setting, (setting.sequential(lr, seed) for lr in RATES for seed in SEARCH_SEEDS))
        perform(SEARCH, setting, (setting.sequential(lr, seed) for lr in midpoints(setting) for seed in SEARCH_SEEDS))
        rate = best_rate(setting)
        perform(RUNS, setting, (setting.sequential(rate, seed) for seed in SEEDS))
        perform(RUNS, setting, (setting.mer(seed) for seed in SEEDS if seed not in mer_runs(setting).seeds))
        if str(setting) not in times():
            TIMES.write_text(json.dumps(times() | {str(setting): measure(setting)}, indent=1) + "\n")
        more = batches_for_equal_seconds(setting)
        perform(RUNS, setting, (setting.sequential(rate, seed, more) for seed in SEEDS))


def perform(out: Path, setting: Setting, experiments: Iterable[Experiment]) -> None:
    """All of them; a rate at which a run diverges is out of the search."""
    print(f"{setting}, {out.name}:", file=sys.stderr)
    outcome = launch(list(experiments), out)
    for folder, error in outcome.failures.items():
        print(f"{folder.name}: {error}", file=sys.stderr)
    if outcome.interrupted:
        sys.exit(130)


def search_table() -> str:
    """What the search found: retained accuracy by learning rate."""
    lines = [f"| stream | memory | {' | '.join(f'{lr:g}' for lr in RATES)} | between | chosen |"]
    lines += ["|---" * (len(RATES) + 4) + "|"]
    for setting in SETTINGS:
        means = searched(setting)
        if means:
            between = ", ".join(f"{lr:g}: {mean:.2f}" for lr, mean in means.items() if lr not in RATES)
            cells = [f"{means[lr]:.2f}" if lr in means else "diverged" for lr in RATES]
            lines += [_row(setting.stream, f"{setting.memory:,}", *cells, between, f"{best_rate(setting):g}")]
    return "\n".join(lines)


def comparison_table() -> str:
    """MER beside replay of as many steps, and of as many seconds; settings of which all seeds are there."""
    lines = [
        "| stream | memory | ER, one step | MER | its steps | replay, as many steps | MER − this, 99 % "
        "| replay, as many seconds | its steps | MER − this, 99 % |",
        "|---" * 10 + "|",
    ]
    for setting in SETTINGS:
        if str(setting) not in times():
            continue
        mer = mer_runs(setting)
        equal_steps = sequential_runs(setting, setting.mer(0).method.batches)
        equal_seconds = sequential_runs(setting, batches_for_equal_seconds(setting))
        if all(arm is not None and arm.seeds == list(SEEDS) for arm in (mer, equal_steps, equal_seconds)):
            plain = next(one for one in results(of_paper(), setting) if one.method == "er")
            lines += [
                _row(
                    setting.stream,
                    f"{setting.memory:,}",
                    _retained(plain),
                    _retained(mer),
                    _steps(mer),
                    _retained(equal_steps),
                    _gap(mer, equal_steps),
                    _retained(equal_seconds),
                    _steps(equal_seconds),
                    _gap(mer, equal_seconds),
                )
            ]
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("-", "−")


def _retained(result: Result) -> str:
    value = result.measure(retained_accuracy)
    return f"{value.mean:.2f} ± {value.half:.2f}"


def _steps(result: Result) -> str:
    return f"{result.runs[0].steps:,}"


def _gap(mer: Result, other: Result) -> str:
    ours, theirs = accuracy(mer), accuracy(other)
    gap = paired_difference([ours[seed] for seed in SEEDS], [theirs[seed] for seed in SEEDS])
    return f"{gap.mean:+.2f} ± {gap.half:.2f}"


if __name__ == "__main__":
    if asked.to_run():
        run()
    print(search_table(), comparison_table(), sep="\n\n")
