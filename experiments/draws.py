"""How far one draw of the rotations moves the mean over seeds: docs/results/mnist.md.

The paper made its rotations once, so that all its seeds share the 20 angles. Here the angles are
drawn six times; with each draw, examples, weights, memory and order are those of seeds 0 to 4.

    python experiments/draws.py run      runs what is missing, into experiments/draws.jsonl
    python experiments/draws.py          prints the table
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, product
from pathlib import Path
from statistics import fmean, stdev

import asked
from lines import Lines

from everlearn.chance import generator
from everlearn.presets import paper
from everlearn.run import Evaluation, Tested, run
from everlearn.streams import Rotations
from everlearn.streams.remapped import train_batches
from everlearn.types import Batch

LINES = Lines(Path(__file__).with_suffix(".jsonl"), ("method", "draw", "seed"))
DRAWS, SEEDS = range(200, 206), range(5)
METHODS = ("er", "mer")
MEMORY = 200


@dataclass(frozen=True)
class Drawn:
    """Rotations with the angles of one seed and the examples of another."""

    drawn: Rotations
    seed: int

    @property
    def tasks(self) -> int:
        """How many."""
        return self.drawn.tasks

    def train(self, task: int) -> Iterator[Batch]:
        """The training batches of one task."""
        chance = generator(self.seed, f"examples of task {task}")
        own = self.drawn
        return train_batches(own.data, own.pixels(task), task, own.examples, own.batch_size, chance)

    def test(self, task: int) -> Batch:
        """The test set of one task."""
        return self.drawn.test(task)

    def __iter__(self) -> Iterator[Batch]:
        return chain.from_iterable(map(self.train, range(self.tasks)))


def retained(method: str, draw: int, seed: int) -> dict:
    """What one run retained."""
    experiment = paper("rotations", method, MEMORY, seed=seed)
    tasks = Drawn(replace(experiment.stream, seed=draw), seed)
    tested = [event for event in run(experiment.learner(), tasks, Evaluation()) if isinstance(event, Tested)]
    return {"ra": 100 * fmean(tested[-1].accuracy)}


def table() -> str:
    """For each method the mean over seeds with each draw, and how they spread."""
    lines = [f"| method | {' | '.join(f'draw {draw}' for draw in DRAWS)} | std of draws | std of seeds |"]
    lines += ["|---" * (len(DRAWS) + 3) + "|"]
    for method in METHODS:
        own = [line for line in LINES.recorded() if line["method"] == method]
        groups = [[line["ra"] for line in own if line["draw"] == draw] for draw in DRAWS]
        if all(len(group) == len(SEEDS) for group in groups):
            between, within = spread(groups)
            means = " | ".join(f"{fmean(group):.2f}" for group in groups)
            lines.append(f"| {method} | {means} | {between:.2f} | {within:.2f} |")
    return "\n".join(lines)


def spread(groups: list[list[float]]) -> tuple[float, float]:
    """Standard deviations of the draws' effect and of the seeds', by one-way analysis of variance."""
    within = fmean(stdev(group) ** 2 for group in groups)
    between = stdev(map(fmean, groups)) ** 2 - within / len(groups[0])
    return max(between, 0.0) ** 0.5, within**0.5


if __name__ == "__main__":
    if asked.to_run():
        LINES.run_missing(retained, product(METHODS, DRAWS, SEEDS))
    print(table())
