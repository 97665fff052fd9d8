"""Prints what is claimed about speed: ratios of two times, both measured in this run, one after the other."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import pytest
import torch

from everlearn.record import versions

RESULTS = pytest.StashKey[list]()


@dataclass(frozen=True)
class Ratio:
    """A claim and what was measured."""

    claim: str
    measured: float
    target: float
    at_least: bool
    """Whether the target is a lower bound."""
    details: str

    @property
    def reached(self) -> bool:
        return self.measured >= self.target if self.at_least else self.measured <= self.target


def seconds(*functions: Callable[[], object], rounds: int = 7) -> list[float]:
    """The best time of each function, taking turns, so that a slow moment strikes all of them alike."""
    best = [float("inf")] * len(functions)
    for function in functions:
        function()
    for _ in range(rounds):
        for i, function in enumerate(functions):
            started = perf_counter()
            function()
            best[i] = min(best[i], perf_counter() - started)
    return best


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def claims(request):
    """Call it with a `Ratio`'s fields to put it on the list."""

    def claim(
        claim: str, measured: float, *, at_least: float | None = None, at_most: float | None = None, details: str
    ):
        target = at_most if at_least is None else at_least
        ratio = Ratio(claim, measured, target, at_least is not None, details)
        request.config.stash.setdefault(RESULTS, []).append(ratio)

    return claim


def pytest_terminal_summary(terminalreporter, config):
    ratios = config.stash.get(RESULTS, [])
    if not ratios:
        return
    terminalreporter.section("ratios, each of two times in this run, on one thread")
    width = max(len(ratio.claim) for ratio in ratios)
    for ratio in ratios:
        bound = f"{'at least' if ratio.at_least else 'at most'} {ratio.target:g}"
        mark = "" if ratio.reached else "   NOT REACHED"
        terminalreporter.write_line(f"{ratio.claim:<{width}}  {ratio.measured:7.3g}  {bound:<13} {ratio.details}{mark}")
    if path := os.environ.get("BENCHMARK_RECORD"):
        record = {"versions": versions(), "ratios": [asdict(ratio) for ratio in ratios]}
        Path(path).write_text(json.dumps(record, indent=1) + "\n")
