"""Does the price of electricity go up? A week of wrong labels comes, and a gate refuses what was learned from it.

python gate.py            all 45,312 half-hours of Elec2 (Harries 1999)
python gate.py 6000       the first ones only
"""

import sys

import torch

import everlearn as el
from everlearn.gate import accuracy
from everlearn.streams.datasets import load

WEEK, DAY = 336, 48

data = load("elec2")
rows = int(sys.argv[1]) if len(sys.argv) > 1 else len(data["y"])
x, y = torch.tensor(data["x"][:rows]), torch.tensor(data["y"][:rows]).long()


def prequential(gated: bool) -> None:
    """Predict each day, then learn it; after each week, keep what was learned or go back."""
    model = el.mlp([6, 64, 64, 2])
    learner = el.Learner(
        model,
        torch.optim.SGD(model.parameters(), lr=0.01),
        el.cross_entropy,
        memory=el.Reservoir(2000),
        method=el.MER(batches=1, replayed=0, beta=1.0),  # row by row, without replay: this one forgets
    )
    # Every eighth row is labelled with care, and never learned: the last 500 of them are the probe.
    kept_back = el.Fifo(500)
    gate = el.Gate({"kept back": kept_back}, score=accuracy, tolerance=0.05)
    right, refused = 0, 0
    for begin in range(0, rows - WEEK + 1, WEEK):
        wrong = begin // WEEK % 16 == 8
        for day in range(begin, begin + WEEK, DAY):
            batch, labels = x[day : day + DAY], y[day : day + DAY]
            right += int((learner.predict({"x": batch}).argmax(1) == labels).sum())
            kept_back.add({"x": batch[::8], "y": labels[::8]})
            learned = torch.arange(DAY) % 8 > 0
            learner.learn({"x": batch[learned], "y": (1 - labels if wrong else labels)[learned]})
        if gated:
            verdict = gate.admit(learner)
            refused += not verdict.accepted
            if wrong:
                print(f"  week {begin // WEEK}, labelled wrong: {verdict}".replace("\n", ";"))
    told = f", {refused} of {rows // WEEK} weeks refused" if gated else ""
    print(f"{'with' if gated else 'without'} a gate: {right / (rows // WEEK * WEEK):.1%} right{told}")


prequential(gated=False)
prequential(gated=True)
