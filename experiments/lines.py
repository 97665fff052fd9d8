"""Runs of which each leaves one line of JSON in a common file, told apart by their settings."""

import json
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from everlearn.experiment import Experiment
from everlearn.launch import cores
from everlearn.run import Evaluation, Tested, run


@dataclass(frozen=True)
class Lines:
    """A file of such lines, and the names of the settings that tell its runs apart."""

    path: Path
    settings: tuple[str, ...]

    def recorded(self) -> list[dict[str, Any]]:
        """The lines there are, in the order in which they came."""
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def run_missing(
        self, perform: Callable[..., dict[str, Any]], wanted: Iterable[tuple], workers: int | None = None
    ) -> None:
        """Call `perform(*settings)` for all that have no line yet, as many at once as there are cores.

        Args:
            perform: of a module's own; what it returns is the line, beside the settings.
            wanted: the settings of each run.
            workers: processes at once.
        """
        done = {tuple(line[name] for name in self.settings) for line in self.recorded()}
        missing = [one for one in wanted if one not in done]
        with ProcessPoolExecutor(workers or cores(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            running = {pool.submit(perform, *one): one for one in missing}
            for i, future in enumerate(as_completed(running), 1):
                line = dict(zip(self.settings, running[future], strict=True)) | future.result()
                with self.path.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(f"{i}/{len(missing)} runs", end="\r", file=sys.stderr, flush=True)


def retained(experiment: Experiment) -> float:
    """The retained accuracy of a run, in percent; the stream is drawn by the experiment's seed."""
    tasks = replace(experiment.stream, seed=experiment.seed)
    tested = [event for event in run(experiment.learner(), tasks, Evaluation()) if isinstance(event, Tested)]
    return 100 * fmean(tested[-1].accuracy)
