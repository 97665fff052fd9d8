"""A run that was killed goes on from its last checkpoint, and ends bit for bit as an unbroken one."""

import os
import random
import signal

import pytest
import torch
from torch import nn

import everlearn as el
from everlearn import methods
from everlearn.models import ByTask, TaskInputNet

ROWS, EVERY = 40, 7


def stream():
    """Single rows of two tasks that come in turn, of 4 inputs and 2 classes."""
    chance = torch.Generator().manual_seed(0)
    x, y = torch.randn(ROWS, 4, generator=chance), torch.randint(2, (ROWS,), generator=chance)
    return [{"x": x[n : n + 1], "y": y[n : n + 1], "task": torch.tensor([n // 10 % 2])} for n in range(ROWS)]


def with_dropout(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))


def call_with_task(model, batch):
    return model(batch["x"], batch["task"])


MODELS = {
    "Independent": lambda seed: ByTask([el.mlp([4, 8, 2], seed=seed), el.mlp([4, 8, 2], seed=seed + 1)]),
    "TaskInput": lambda seed: TaskInputNet([4, 8, 2], tasks=2, seed=seed),
}
MEMORIES = {
    "reservoir": lambda path: el.Reservoir(20, path=path),
    "distinct": lambda path: el.Reservoir(20, replace=False, path=path),
    "fifo": lambda path: el.Fifo(20, path=path),
    "ring": lambda path: el.Ring(20, tasks=2, path=path),
    "balanced": lambda path: el.Balanced(20, path=path),
}
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1),
    "momentum": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, 0.01),
}


def make(method, keep, optimizer, path, *, odd, seed):
    """A learner and its scheduler: on a perceptron, or on a network with BatchNorm and dropout."""
    own = MODELS.get(method, with_dropout if odd else lambda seed: el.mlp([4, 8, 2], seed=seed))
    model = own(seed)
    sgd = OPTIMIZERS[optimizer](model.parameters())
    forward = {"forward": call_with_task} if method in MODELS else {}
    learner = el.Learner(
        model, sgd, el.cross_entropy, memory=MEMORIES[keep](path), method=getattr(methods, method)(), **forward
    )
    return learner, torch.optim.lr_scheduler.ExponentialLR(sgd, 0.97)


def live(learner, scheduler, checkpoint=None, begin=0, until=ROWS):
    """Learn rows, and save now and then."""
    for n in range(begin, until):
        learner.learn(stream()[n])
        scheduler.step()
        if checkpoint and n % EVERY == EVERY - 1:
            learner.save(checkpoint, also={"scheduler": scheduler.state_dict(), "position": n + 1})


def weights(learner):
    return torch.cat([value.flatten().double() for value in learner.model.state_dict().values()])


CASES = [
    *((name, "ring" if name == "GEM" else "reservoir", "sgd", False) for name in methods.__all__),
    *((name, "ring" if name == "GEM" else "reservoir", "adam", True) for name in methods.__all__ if name not in MODELS),
    *(("MER", keep, "sgd", False) for keep in MEMORIES),
    *(("ER", keep, "momentum", True) for keep in MEMORIES),
]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize(("method", "keep", "optimizer", "odd"), CASES)
def test_a_killed_learner_goes_on_bit_for_bit(method, keep, optimizer, odd, on_disk, tmp_path):
    def begin(name, seed):
        path = tmp_path / name if on_disk else None
        return make(method, keep, optimizer, path, odd=odd, seed=seed)

    torch.manual_seed(7)
    unbroken, scheduler = begin("unbroken", 0)
    torch.manual_seed(7)
    live(unbroken, scheduler)

    checkpoint, killed_at = tmp_path / "checkpoint", random.Random(f"{method} {keep}").randrange(EVERY, ROWS)
    child = os.fork()
    if child == 0:
        first, scheduler = begin("killed", 0)
        torch.manual_seed(7)
        live(first, scheduler, checkpoint, until=killed_at)
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL

    torch.manual_seed(99)
    learner, scheduler = begin("killed", 1)
    also = learner.load(checkpoint)
    scheduler.load_state_dict(also["scheduler"])
    assert also["position"] == killed_at // EVERY * EVERY
    live(learner, scheduler, checkpoint, begin=also["position"])
    assert torch.equal(weights(learner), weights(unbroken))
    assert learner.optimizer.param_groups[0]["lr"] == unbroken.optimizer.param_groups[0]["lr"]
    assert learner.steps == unbroken.steps
    held, expected = learner.memory.held(), unbroken.memory.held()
    assert all(torch.equal(held[name], expected[name]) for name in expected)
