"""A gate on real drift: electricity prices and late flights, some with wrong labels: docs/results/gate.md.

Each day is predicted and then learned, row by row; every eighth row is kept back with its right label, and the
last 500 of each slice of these are the gate's probes, which it asks after each week. In faulty streams some
weeks, drawn by the seed, are learned with wrong labels: all of a week of Elec2, those of one airport of a week of
flights. The learning rate is searched on seed 100, without faults and gate.

    python experiments/drift.py run      runs what is missing, into experiments/drift.jsonl
    python experiments/drift.py          prints the tables
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Literal

import asked
import torch
from lines import Lines
from torch import Tensor
from torch.nn import functional as F

import everlearn as el
from everlearn.chance import generator
from everlearn.gate import Score, accuracy, minus_loss
from everlearn.report.results import interval
from everlearn.report.welch import paired_difference
from everlearn.streams.datasets import load

LINES = Lines(Path(__file__).with_suffix(".jsonl"), ("data", "method", "lr", "tolerance", "faulty", "seed"))
SEEDS, SEARCHED = range(5), 100
FIRST = 8
"""Weeks without faults at the beginning."""
METHODS = {
    "online": el.MER(batches=1, replayed=0, beta=1.0),
    "replay": el.MER(batches=1, replayed=10, beta=1.0),
    "mer": el.MER(batches=1, replayed=10, beta=0.3),
}


@dataclass(frozen=True)
class Days:
    """Rows in time order."""

    x: Tensor
    y: Tensor
    slices: Tensor
    """(rows,) the number of each row's slice."""
    names: tuple[str, ...]
    """Of the slices."""
    lengths: tuple[int, ...]
    """Rows of each day."""


@cache
def elec2() -> Days:
    """Half-hours of electricity prices, of one slice; whole weeks."""
    data = load("elec2")
    n = len(data["y"]) // 336 * 336
    y = torch.tensor(data["y"][:n]).long()
    return Days(torch.tensor(data["x"][:n]), y, torch.zeros_like(y), ("kept back",), (48,) * (n // 48))


@cache
def flights() -> Days:
    """Flights, sliced by where they leave; is one more than a quarter of an hour late?"""
    data = {name: torch.tensor(values).long() for name, values in load("flights").items() if values.dtype.kind != "U"}
    kinds = [F.one_hot(data[name]).float() for name in ("weekday", "carrier", "origin", "dest")]
    times = [2 * torch.pi * data[name][:, None] / 1440 for name in ("departure", "arrival")]
    x = [*kinds, *(part(time) for time in times for part in (torch.sin, torch.cos)), data["distance"][:, None] / 1000]
    lengths = tuple(data["day"].bincount()[1:].tolist())
    names = tuple(str(name) for name in load("flights")["origins"])
    return Days(torch.cat(x, 1), (data["delay"] > 15).long(), data["origin"], names, lengths)


@dataclass(frozen=True)
class Drift:
    """A stream, and how it is looked at."""

    days: Callable[[], Days]
    memory: int
    """Rows of it."""
    rates: tuple[float, ...]
    """Learning rates that are searched."""
    score: Score
    tolerances: tuple[float | None, ...]
    """Of the score; None is no gate."""
    faulty: int
    """Weeks with wrong labels, in faulty streams."""
    measure: Literal["right", "loss"]
    """What tells how well it was predicted."""


STREAMS: Mapping[str, Drift] = {
    "elec2": Drift(elec2, 2000, (0.003, 0.01, 0.03, 0.1), accuracy, (None, 0.02, 0.05), 8, "right"),
    "flights": Drift(flights, 20_000, (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01), minus_loss, (None, 0.01, 0.03), 4, "loss"),
}


def learned(data: str, method: str, lr: float, tolerance: float | None, faulty: int, seed: int) -> dict:
    """How well one run predicts, in percent and nats, and what the gate refuses."""
    stream, days = STREAMS[data], STREAMS[data].days()
    model = el.mlp([days.x.shape[1], 64, 64, 2], seed=seed)
    learner = el.Learner(
        model,
        torch.optim.SGD(model.parameters(), lr=lr),
        el.cross_entropy,
        memory=el.Reservoir(stream.memory, seed=seed),
        method=METHODS[method],
        seed=seed,
    )
    kept_back = {name: el.Fifo(500) for name in days.names}
    gate = None if tolerance is None else el.Gate(kept_back, score=stream.score, tolerance=tolerance)
    weeks = [range(len(days.lengths))[day : day + 7] for day in range(0, len(days.lengths), 7)]
    chance = generator(seed, "faults")
    wrong = set((torch.randperm(len(weeks) - FIRST, generator=chance)[:faulty] + FIRST).tolist())
    where = torch.randint(len(days.names), (len(weeks),), generator=chance).tolist()
    right, loss, refused = 0, 0.0, []
    ends = torch.tensor(days.lengths).cumsum(0).tolist()
    for week, numbers in enumerate(weeks):
        for day in numbers:
            rows = slice(ends[day] - days.lengths[day], ends[day])
            x, y, own = days.x[rows], days.y[rows], days.slices[rows]
            outputs = learner.predict({"x": x})
            right += int((outputs.argmax(1) == y).sum())
            loss += float(F.cross_entropy(outputs, y, reduction="sum"))
            for number, memory in enumerate(kept_back.values()):
                memory.add({"x": x[::8][own[::8] == number], "y": y[::8][own[::8] == number]})
            told = torch.where(own == where[week], 1 - y, y) if week in wrong else y
            mine = torch.arange(len(y)) % 8 > 0
            learner.learn({"x": x[mine], "y": told[mine]})
        if gate is not None and not gate.admit(learner).accepted:
            refused.append(week)
    rows = len(days.y)
    return {
        "right": 100 * right / rows,
        "loss": loss / rows,
        "refused": len(refused),
        "caught": len(wrong & set(refused)),
    }


def best(data: str, method: str) -> float:
    """The searched rate, without faults and gate."""
    measure, choose = STREAMS[data].measure, max if STREAMS[data].measure == "right" else min
    found = {
        line["lr"]: line[measure]
        for line in LINES.recorded()
        if (line["seed"], line["data"], line["method"]) == (SEARCHED, data, method)
    }
    return choose(found, key=found.__getitem__)


def table(data: str) -> str:
    """How well each method predicts before learning, by gate and faults."""
    measure, faults = STREAMS[data].measure, STREAMS[data].faulty
    lines = [
        f"| method | learning rate | gate | seeds | {measure}, no faults | weeks refused "
        f"| {measure}, {faults} weeks wrong | weeks refused | of the {faults} |",
        "|---" * 9 + "|",
    ]
    recorded = [line for line in LINES.recorded() if line["seed"] != SEARCHED and line["data"] == data]

    def runs(method: str, tolerance: float | None, faulty: int) -> dict[int, dict]:
        wanted = (method, tolerance, faulty)
        return {
            line["seed"]: line for line in recorded if (line["method"], line["tolerance"], line["faulty"]) == wanted
        }

    for method in METHODS:
        for tolerance in STREAMS[data].tolerances:
            parts = [runs(method, tolerance, number) for number in (0, faults)]
            if not all(parts):
                continue
            lr = next(iter(parts[0].values()))["lr"]
            cells = [method, f"{lr:g}", "none" if tolerance is None else f"{tolerance:g}", str(len(parts[0]))]
            for part, number in zip(parts, (0, faults), strict=True):
                cells += [_told(part, {} if tolerance is None else runs(method, None, number), measure)]
                cells += [f"{fmean(line['refused'] for line in part.values()):.1f}" if tolerance is not None else ""]
            cells += [f"{fmean(line['caught'] for line in parts[1].values()):.1f}" if tolerance is not None else ""]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _told(runs: dict[int, dict], ungated: dict[int, dict], measure: str) -> str:
    """The mean over seeds; with a gate how it differs from the same without, in bold where the interval excludes 0."""
    decimals = 2 if measure == "right" else 4
    mean = interval([line[measure] for line in runs.values()])
    seeds = [seed for seed in runs if seed in ungated]
    if len(seeds) < 2:
        return f"{mean.mean:.{decimals}f}" + ("" if mean.half is None else f" ± {mean.half:.{decimals}f}")
    one, other = ([part[seed][measure] for seed in seeds] for part in (runs, ungated))
    found = paired_difference(one, other, confidence=0.95)
    text = f"{found.mean:+.{decimals}f} ± {found.half:.{decimals}f}".replace("-", "−")
    return f"{mean.mean:.{decimals}f} ({f'**{text}**' if found.excludes_zero else text})"


if __name__ == "__main__":
    if asked.to_run():
        LINES.run_missing(
            learned,
            [
                (data, method, lr, None, 0, SEARCHED)
                for data, stream in STREAMS.items()
                for method in METHODS
                for lr in stream.rates
            ],
            asked.processes(),
        )
        LINES.run_missing(
            learned,
            [
                (data, method, best(data, method), tolerance, faulty, seed)
                for seed in SEEDS
                for data, stream in STREAMS.items()
                for method in METHODS
                for tolerance in stream.tolerances
                for faulty in (0, stream.faulty)
            ],
            asked.processes(),
        )
    print(*(table(data) for data in STREAMS), sep="\n\n")
