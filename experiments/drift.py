"""A gate on real drift: two and a half years of electricity prices, some with wrong labels: docs/results/gate.md.

Each day of Elec2 is predicted and then learned, row by row; every eighth row is kept back with its right label,
and the last 500 of these are the gate's probe, which it asks after each week. In faulty streams 8 of the 134
weeks, drawn by the seed, are learned with all labels the wrong way round. The learning rate is searched on
seed 100, without faults and gate.

    python experiments/drift.py run      runs what is missing, into experiments/drift.jsonl
    python experiments/drift.py          prints the table
"""

import sys
from pathlib import Path
from statistics import fmean

import torch
from lines import Lines

import everlearn as el
from everlearn.chance import generator
from everlearn.gate import accuracy
from everlearn.report.results import interval
from everlearn.streams.datasets import load

LINES = Lines(Path(__file__).with_suffix(".jsonl"), ("method", "lr", "tolerance", "faulty", "seed"))
WEEK, DAY, FAULTY = 336, 48, 8
METHODS = {
    "online": el.MER(batches=1, replayed=0, beta=1.0),
    "replay": el.MER(batches=1, replayed=10, beta=1.0),
    "mer": el.MER(batches=1, replayed=10, beta=0.3),
}
RATES = (0.003, 0.01, 0.03, 0.1)
TOLERANCES = (None, 0.02, 0.05)
"""None is no gate."""
SEEDS, SEARCHED = range(5), 100


def learned(method: str, lr: float, tolerance: float | None, faulty: int, seed: int) -> dict:
    """How much one run predicts right, and what the gate refuses."""
    data = load("elec2")
    x, y = torch.tensor(data["x"]), torch.tensor(data["y"]).long()
    model = el.mlp([6, 64, 64, 2], seed=seed)
    learner = el.Learner(
        model,
        torch.optim.SGD(model.parameters(), lr=lr),
        el.cross_entropy,
        memory=el.Reservoir(2000, seed=seed),
        method=METHODS[method],
        seed=seed,
    )
    kept_back = el.Fifo(500)
    gate = None if tolerance is None else el.Gate({"kept back": kept_back}, score=accuracy, tolerance=tolerance)
    weeks = len(y) // WEEK
    wrong = set((torch.randperm(weeks - 8, generator=generator(seed, "faults"))[:faulty] + 8).tolist())
    right, refused = 0, []
    for week in range(weeks):
        for day in range(week * WEEK, (week + 1) * WEEK, DAY):
            rows, labels = x[day : day + DAY], y[day : day + DAY]
            right += int((learner.predict({"x": rows}).argmax(1) == labels).sum())
            kept_back.add({"x": rows[::8], "y": labels[::8]})
            mine = torch.arange(DAY) % 8 > 0
            learner.learn({"x": rows[mine], "y": (1 - labels if week in wrong else labels)[mine]})
        if gate is not None and not gate.admit(learner).accepted:
            refused.append(week)
    caught = len(wrong & set(refused))
    return {"right": 100 * right / (weeks * WEEK), "refused": len(refused), "caught": caught}


def best(method: str) -> float:
    """The searched rate, without faults and gate."""
    found = {
        line["lr"]: line["right"] for line in LINES.recorded() if line["seed"] == SEARCHED and line["method"] == method
    }
    return max(found, key=found.__getitem__)


def table() -> str:
    """Each method's accuracy before learning, in percent, by gate and faults."""
    lines = [
        "| method | learning rate | gate | seeds | right, no faults | weeks refused | right, 8 weeks wrong "
        "| weeks refused | of the 8 |",
        "|---" * 9 + "|",
    ]
    recorded = [line for line in LINES.recorded() if line["seed"] != SEARCHED]
    for method in METHODS:
        for tolerance in TOLERANCES:
            found = [line for line in recorded if (line["method"], line["tolerance"]) == (method, tolerance)]
            if not found:
                continue
            clean, faulty = ([line for line in found if line["faulty"] == faults] for faults in (0, FAULTY))
            cells = [method, f"{found[0]['lr']:g}", "none" if tolerance is None else f"{tolerance:g}", str(len(clean))]
            for part in (clean, faulty):
                mean = interval([line["right"] for line in part])
                cells += [f"{mean.mean:.2f} ± {mean.half or 0:.2f}"]
                cells += [f"{fmean(line['refused'] for line in part):.1f}" if tolerance is not None else ""]
            cells += [f"{fmean(line['caught'] for line in faulty):.1f}" if tolerance is not None else ""]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        workers = int(sys.argv[2]) if len(sys.argv) > 2 else None
        LINES.run_missing(learned, [(method, lr, None, 0, SEARCHED) for method in METHODS for lr in RATES], workers)
        LINES.run_missing(
            learned,
            [
                (method, best(method), tolerance, faulty, seed)
                for seed in SEEDS
                for method in METHODS
                for tolerance in TOLERANCES
                for faulty in (0, FAULTY)
            ],
            workers,
        )
    print(table())
