"""Learn from a stream whose classes come one after another, and remember them all."""

import torch

import everlearn as el

torch.manual_seed(0)
centres = torch.randn(3, 20)
stream = [(centres[y] + torch.randn(1, 20), torch.tensor([y])) for y in (0, 1, 2) for _ in range(60)]

model = torch.nn.Sequential(torch.nn.Linear(20, 64), torch.nn.ReLU(), torch.nn.Linear(64, 3))
learner = el.Learner(
    model,
    torch.optim.SGD(model.parameters(), lr=0.1),
    el.cross_entropy,
    memory=el.Reservoir(500),
    method=el.MER(),  # MER(batches=5, replayed=10, beta=0.01, gamma=1.0)
)
for x, y in stream:  # any iterable, a DataLoader too; no task ids
    loss = learner.learn({"x": x, "y": y})

x, y = centres.repeat(100, 1) + torch.randn(300, 20), torch.arange(3).repeat(100)
labels = learner.predict({"x": x}).argmax(1)
print(f"accuracy on all three classes: {(labels == y).float().mean():.2f}")
