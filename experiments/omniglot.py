"""Omniglot on its first ten alphabets: GEM beside MER, and what the paper leaves open: docs/results/paper.md.

python experiments/omniglot.py run      runs what is missing, into experiments/omniglot-ten
python experiments/omniglot.py          prints the tables
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import asked

from everlearn.experiment import Experiment
from everlearn.metrics import backward_transfer, learning_accuracy, retained_accuracy
from everlearn.presets import paper
from everlearn.report import Result, read_results
from everlearn.run import Evaluation

RECORDS = Path(__file__).parent / "omniglot-ten"
ALPHABETS, SLOTS = 10, 102
"""GEM's ring of 5,120 rows has 102 for each of the fifty alphabets."""
SEEDS = (0, 1)


def ten(method: str, memory: int, rows: int | None = None) -> Experiment:
    """The paper's setting for a memory, on ten alphabets; with another number of rows, where given."""
    whole = paper("omniglot", method, memory)
    return replace(
        whole,
        stream=replace(whole.stream, tasks=ALPHABETS),
        memory=rows or memory,
        evaluation=Evaluation(every=500),
    )


COMPARED: Mapping[str, Experiment] = {
    "GEM, a ring of 102 rows each": ten("gem", 5120, ALPHABETS * SLOTS),
    "MER, a reservoir of 1,020": ten("mer", 5120, ALPHABETS * SLOTS),
    "MER, a reservoir of 5,120": ten("mer", 5120),
    "the same without normalisation": replace(ten("mer", 5120), normalised=False),
}


def choices() -> dict[str, Experiment]:
    """One choice changed at a time, with the paper's setting for a memory of 500."""
    own = ten("mer", 500)
    return {
        "as chosen": own,
        "ink is 0 and paper 1": replace(own, stream=replace(own.stream, ink="black")),
        "ink is 0 and paper 1, learning rate .01": replace(own, stream=replace(own.stream, ink="black"), lr=0.01),
        "alphabets in random order": replace(own, stream=replace(own.stream, shuffled=True)),
        "five drawings of a character for testing": replace(own, stream=replace(own.stream, held_out=5)),
        "no normalisation": replace(own, normalised=False),
        "no normalisation, learning rate .01": replace(own, normalised=False, lr=0.01),
        "learning rate .01": replace(own, lr=0.01),
    }


def wanted() -> list[Experiment]:
    """All runs: the choices with each seed, then the comparison with one."""
    return [replace(one, seed=seed) for seed in SEEDS for one in choices().values()] + list(COMPARED.values())


def result_of(experiment: Experiment) -> Result | None:
    """What is recorded of an experiment, over its seeds."""
    seeds = [replace(experiment, seed=seed) for seed in SEEDS]
    done = [RECORDS / one.folder() for one in seeds if one.is_finished(RECORDS / one.folder())]
    return read_results(done)[0] if done else None


def table(experiments: Mapping[str, Experiment]) -> str:
    """RA, LA and BTI in percent: the mean over the seeds, and each seed's RA."""
    lines = ["| | seeds | RA | each | LA | BTI | steps | seconds |", "|---" * 8 + "|"]
    for name, experiment in experiments.items():
        one = result_of(experiment)
        if one is None:
            continue
        each = ", ".join(f"{100 * retained_accuracy(run.matrix):.2f}" for run in one.runs)
        means = [f"{one.measure(metric).mean:.2f}" for metric in (retained_accuracy, learning_accuracy)]
        seconds = sum(run.seconds for run in one.runs) / len(one.runs)
        lines.append(
            f"| {name} | {len(one.runs)} | {means[0]} | {each} | {means[1]} "
            f"| {one.measure(backward_transfer).mean:+.2f} | {one.runs[0].steps:,} | {seconds:,.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    if asked.to_run():
        asked.run_missing(list(wanted()), RECORDS)
    print(table(COMPARED), table(choices()), sep="\n\n")
