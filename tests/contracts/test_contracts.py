"""Everything that is exported keeps the contract of its kind; the checks themselves can fail."""

import pytest
import torch

from everlearn import checks, memory, methods, streams
from everlearn.memory import Balanced, BottomK, Fifo, Reservoir, Ring, Weighted
from everlearn.models import ByTask, TaskInputNet, mlp
from everlearn.streams import Omniglot, Permutations, Rotations, Tasks


def call_with_task(model, batch):
    return model(batch["x"], batch["task"])


NEEDS = {
    "GEM": {"memory": lambda: Ring(20, tasks=2)},
    "Independent": {
        "model": lambda seed: ByTask([mlp([4, 8, 2], seed=seed), mlp([4, 8, 2], seed=seed + 1)]),
        "forward": call_with_task,
    },
    "TaskInput": {"model": lambda seed: TaskInputNet([4, 8, 2], tasks=2, seed=seed), "forward": call_with_task},
}
"""What a method needs that does not take any memory and model."""


@pytest.mark.parametrize("name", methods.__all__)
def test_every_method(name):
    checks.check_method(getattr(methods, name)(), **NEEDS.get(name, {}))


@pytest.mark.parametrize("name", ["ER", "TaskER", "AGEM", "GEMReservoir", "MER"])
def test_methods_that_take_any_memory_take_a_ring(name):
    checks.check_method(getattr(methods, name)(), memory=lambda: Ring(20, tasks=2))


MEMORIES = {
    "Balanced": lambda capacity: Balanced(capacity, by="task"),
    "BottomK": lambda capacity: BottomK(capacity, key="n"),
    "Fifo": Fifo,
    "Reservoir": Reservoir,
    "Ring": lambda capacity: Ring(capacity, tasks=3),
    "Weighted": lambda capacity: Weighted(capacity, by="one"),
}


@pytest.mark.parametrize("name", memory.__all__)
def test_every_memory(name):
    checks.check_memory(MEMORIES[name])


STREAMS = {
    "Omniglot": Omniglot(tasks=2, batch_size=50),
    "Permutations": Permutations(tasks=3, examples=4, batch_size=3),
    "Rotations": Rotations(tasks=3, examples=4, batch_size=3),
    "Tasks": Tasks(
        training=[[(torch.zeros(2, 3), torch.tensor([0, 1]))], [(torch.ones(1, 3), torch.tensor([1]))]],
        testing=[(torch.zeros(2, 3), torch.tensor([0, 1])), (torch.ones(1, 3), torch.tensor([1]))],
    ),
}


@pytest.mark.parametrize("name", streams.__all__)
def test_every_stream(name):
    checks.check_stream(STREAMS[name])


def never_steps(learner, batch):
    return torch.zeros(len(batch["y"]))


def forgets_rows(learner, batch):
    return learner.descend(batch)[:1]


class Unseeded:
    def __call__(self, learner, batch):
        return learner.descend(batch, torch.rand(len(batch["y"])))


class KeepsItsOwnState:
    """A counter that a resumed run does not find again."""

    def __init__(self):
        self.calls = 0

    def __call__(self, learner, batch):
        self.calls += 1
        return learner.descend(batch, torch.full((len(batch["y"]),), 1 / self.calls))


@pytest.mark.parametrize(
    ("method", "rule"),
    [
        (never_steps, "learns two far-apart blobs"),
        (forgets_rows, "one loss for each new row"),
        (Unseeded(), "equal seeds give equal weights"),
        (KeepsItsOwnState(), "equal"),
    ],
)
def test_a_method_that_breaks_a_rule_is_told_which(method, rule):
    with pytest.raises(checks.ContractBroken, match=rule):
        checks.check_method(method)


class Unbounded:
    def __init__(self, capacity):
        self.batches = []

    def __len__(self):
        return sum(len(batch["n"]) for batch in self.batches)

    def expect(self, batch):
        pass

    def add(self, batch):
        self.batches.append(batch)

    def sample(self, n):
        joined = {name: torch.cat([batch[name] for batch in self.batches]) for name in (self.batches or [{}])[0]}
        return {name: values[:n] for name, values in joined.items()}


def test_a_memory_that_breaks_a_rule_is_told_which():
    with pytest.raises(checks.ContractBroken, match="never holds more than its capacity"):
        checks.check_memory(Unbounded)


class Restless:
    """Another stream each time."""

    tasks = 1

    def train(self, task):
        yield {"x": torch.rand(1), "task": torch.tensor([0])}

    def test(self, task):
        return next(self.train(task))

    def __iter__(self):
        return self.train(0)


def test_a_stream_that_breaks_a_rule_is_told_which():
    with pytest.raises(checks.ContractBroken, match="the same batches each time"):
        checks.check_stream(Restless())
