"""The command for language models."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import tyro

from everlearn.cli.shown import launch_and_show
from everlearn.lm import LanguageExperiment
from everlearn.lm.comparisons import COMPARISONS, comparison
from everlearn.ranges import at_least
from everlearn.types import InputError


@dataclass(frozen=True)
class Language:
    """Small language models that read one text after another: list the comparisons, or run one: everlearn lm bytes."""

    name: tyro.conf.Positional[Literal["bytes", "few", "pairs", "medium", "large"] | None] = None
    """Without it, they are listed and what is recorded of each."""
    arms: tuple[str, ...] | None = None
    """Such as plain and 'replay 25 % + Reptile'; by default all that the comparison has."""
    steps: int | None = None
    """Batches of each text; by default as many as the comparison has."""
    seeds: int | None = None
    """How many seeds, from --first-seed on; by default as many as the comparison has."""
    first_seed: int = 0
    """The first seed."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("runs")
    """Folder for the records and the report; what is recorded there is not run again, what was cut short goes on."""
    workers: int | None = None
    """Runs at once; by default one a core."""

    def __call__(self) -> int:
        if self.seeds is not None:
            at_least(1, seeds=self.seeds)
        if self.name is None:
            return self._list()
        if find_spec("transformers") is None or find_spec("tokenizers") is None:
            raise InputError("language models need transformers: pip install 'everlearn[lm]'")
        experiments = self._runs(self.name)
        # What can't be read is told before processes start.
        max(experiments, key=lambda one: one.batch - one.method.replayed).batches()
        return launch_and_show(experiments, self.out, self.workers, report=self.out / "report.html")

    def _runs(self, name: str) -> list[LanguageExperiment]:
        seeds = range(self.first_seed, self.first_seed + (self.seeds or COMPARISONS[name].seeds))
        return [one for seed in seeds for one in comparison(name, self.arms, steps=self.steps, seed=seed)]

    def _list(self) -> int:
        if self.arms is not None:
            raise InputError("which comparison has these arms? everlearn lm bytes --arms …")
        print(f"{'comparison':<14}{'what it compares':<64}recorded in {self.out}")
        for name, about in COMPARISONS.items():
            wanted = self._runs(name)
            done = sum(one.is_finished(self.out / one.folder()) for one in wanted)
            print(f"{name:<14}{about.about:<64}{done} of {len(wanted)} runs")
        print("\nTo run what is missing of one: everlearn lm bytes")
        return 0
