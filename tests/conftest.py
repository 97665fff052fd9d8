"""What all tests share: one thread, and small learners."""

import pytest
import torch
from hypothesis import settings

import everlearn as el

torch.set_num_threads(1)
settings.register_profile("everlearn", deadline=None, derandomize=True)
settings.load_profile("everlearn")


@pytest.fixture
def make_learner():
    """A learner on a small float64 MLP; keyword arguments replace its parts."""

    def make(method, *, model=None, lr=0.1, loss=el.cross_entropy, memory=None, widths=(3, 5, 4), seed=0, **rest):
        model = model if model is not None else el.mlp(widths, seed=seed).double()
        optimizer = rest.pop("optimizer", None) or torch.optim.SGD(model.parameters(), lr=lr)
        memory = memory if memory is not None else el.Reservoir(20, seed=seed)
        return el.Learner(model, optimizer, loss, memory=memory, method=method, seed=seed, **rest)

    return make


@pytest.fixture
def toy():
    """Rows of a toy stream in float64: x (n, 3), y below 4, task."""

    def make(n, seed=0, dtype=torch.float64):
        chance = torch.Generator().manual_seed(seed)
        x = torch.randn(n, 3, generator=chance, dtype=dtype)
        y = torch.randint(4, (n,), generator=chance)
        return [{"x": x[i : i + 1], "y": y[i : i + 1], "task": torch.tensor([i % 2])} for i in range(n)]

    return make
