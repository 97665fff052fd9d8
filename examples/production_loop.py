"""A model that keeps learning for years: killed at any moment, it goes on from its last checkpoint, bit for bit.

python production_loop.py state 2000     learns until row 2,000, saving into the folder `state`
python production_loop.py state 4000     goes on from there
"""

import sys
from pathlib import Path

import torch

import everlearn as el

state, until = Path(sys.argv[1]), int(sys.argv[2])
torch.manual_seed(0)


def arriving(row: int) -> el.Batch:
    """What the world sends at some moment: here it drifts, and customers come and go."""
    chance = torch.Generator().manual_seed(row)
    x = torch.randn(1, 8, generator=chance)
    y = (x[:, 0] + row / 4000 * x[:, 1] > 0).long()
    return {
        "x": x,
        "y": y,
        "key": torch.tensor([row % 97]),  # whose row it is
        "when": torch.tensor([float(row)], dtype=torch.float64),
    }


model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.03)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2000, gamma=0.7)
learner = el.Learner(
    model,
    optimizer,
    el.cross_entropy,
    memory=el.Reservoir(1000, path=state / "memory"),  # on disk: a checkpoint copies none of its rows
    method=el.MER(batches=1, replayed=10, beta=0.3),
)

checkpoint, begin = state / "learner.safetensors", 0
if checkpoint.exists():
    also = learner.load(checkpoint)
    scheduler.load_state_dict(also["scheduler"])
    begin = also["row"]
    print(f"going on from row {begin}")

for row in range(begin, until):
    batch = arriving(row)
    loss = learner.learn(batch)
    scheduler.step()
    if row % 200 == 199:
        learner.memory.expire(older_than=row - 3000)  # no row is kept longer than it may be
        learner.save(checkpoint, also={"scheduler": scheduler.state_dict(), "row": row + 1})

gone = learner.memory.delete(key=42)  # a customer asks to be forgotten
test = {"x": torch.cat([arriving(10**6 + row)["x"] for row in range(500)])}
labels = (test["x"][:, 0] + until / 4000 * test["x"][:, 1] > 0).long()
right = (learner.predict(test).argmax(1) == labels).float().mean()
print(f"{len(learner.memory)} rows held, {gone} of customer 42 deleted; {right:.3f} right on what comes next")
learner.memory.close()
