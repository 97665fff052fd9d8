"""Contract checks: what every method, memory and stream must keep, one's own too.

Each check raises `ContractBroken` with the rule that does not hold, and is silent otherwise.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from everlearn.batches import count
from everlearn.learner import Learner, call_on_x
from everlearn.losses import cross_entropy
from everlearn.memory import Reservoir
from everlearn.models import mlp
from everlearn.types import Batch, Forward, InputError, Memory, Method, Stream


class ContractBroken(AssertionError):
    """A rule of the house does not hold; the message says which."""


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise ContractBroken(rule)


@dataclass(frozen=True)
class _Setting:
    """What a method is checked with."""

    method: Method
    lr: float
    memory: Callable[[], Memory]
    model: Callable[[int], nn.Module]
    forward: Forward

    def learner(self, model: nn.Module) -> Learner:
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=self.lr)
        memory = self.memory()
        return Learner(model, optimizer, cross_entropy, memory=memory, method=self.method, forward=self.forward)


def _perceptron(seed: int) -> nn.Module:
    return mlp([4, 16, 2], seed=seed)


def _reservoir() -> Memory:
    return Reservoir(20)


def check_method(
    method: Method,
    *,
    lr: float = 0.1,
    memory: Callable[[], Memory] = _reservoir,
    model: Callable[[int], nn.Module] = _perceptron,
    forward: Forward = call_on_x,
) -> None:
    """Check a method on a toy stream of two classes, 4 inputs, and tasks 0 and 1.

    It learns, gives one loss per new row, is deterministic, resumes exactly from a saved state,
    starts with an empty memory, takes batches of one and of several rows, and, where it takes any
    model, leaves frozen weights and trains a module with BatchNorm, dropout and tied weights.

    Args:
        method: called as `method(learner, batch)`.
        lr: of plain SGD.
        memory: makes a new memory.
        model: makes a new model from a seed, for a method that cannot take any.
        forward: how the model is called.

    Raises:
        ContractBroken: naming the rule.

    >>> import everlearn as el
    >>> check_method(el.MER(batches=2, replayed=3, beta=0.3))
    >>> check_method(el.GEM(), memory=lambda: el.Ring(20, tasks=2))
    """
    setting = _Setting(method, lr, memory, model, forward)
    _check_learns(setting)
    _check_repeats(setting)
    if model is _perceptron:
        _check_odd_modules(setting)


def _toy(rows: int, seed: int = 0) -> list[Batch]:
    """Single rows of two Gaussian blobs; the task changes half way."""
    chance = torch.Generator().manual_seed(seed)
    y = torch.randint(2, (rows,), generator=chance)
    x = torch.randn(rows, 4, generator=chance) + 4 * (y[:, None] - 0.5)
    task = (torch.arange(rows) >= rows // 2).long()
    return [{"x": x[i : i + 1], "y": y[i : i + 1], "task": task[i : i + 1]} for i in range(rows)]


def _joined(batches: list[Batch]) -> Batch:
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}


def _check_learns(setting: _Setting) -> None:
    learner, test = setting.learner(setting.model(0)), _joined(_toy(200, seed=1))
    losses = [learner.learn(batch) for batch in _toy(300)]
    _require(all(loss.ndim == 0 and not loss.requires_grad for loss in losses), "learn gives a number without gradient")
    accuracy = (learner.predict(test).argmax(1) == test["y"]).float().mean()
    _require(bool(accuracy > 0.9), f"it learns two far-apart blobs from 300 rows: accuracy {accuracy:.2f}")
    several = _joined(_toy(5, seed=2))
    _require(setting.method(learner, several).shape == (5,), "it gives one loss for each new row: (5,) for five")


def _check_repeats(setting: _Setting) -> None:
    stream = _toy(60)

    def weights(learner: Learner, batches: list[Batch]) -> Tensor:
        for batch in batches:
            learner.learn(batch)
        return nn.utils.parameters_to_vector(learner.model.parameters()).detach()

    first = weights(setting.learner(setting.model(0)), stream)
    again = weights(setting.learner(setting.model(0)), stream)
    _require(torch.equal(first, again), "equal seeds give equal weights")
    for broken_at in (13, 31):
        broken = setting.learner(setting.model(0))
        weights(broken, stream[:broken_at])
        resumed = setting.learner(setting.model(1))
        with TemporaryDirectory() as folder:
            broken.save(Path(folder) / "learner")
            resumed.load(Path(folder) / "learner")
        rest = weights(resumed, stream[broken_at:])
        _require(torch.equal(first, rest), "a run saved and resumed equals an unbroken one")


class _Odd(nn.Module):
    """BatchNorm, dropout, a tied weight and a frozen layer."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Linear(4, 8)
        self.norm = nn.BatchNorm1d(8)
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.second.weight = self.first.weight
        self.drop, self.head = nn.Dropout(0.1), nn.Linear(8, 2)
        self.frozen.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.second(torch.relu(self.first(self.norm(self.frozen(x)))))))


def _check_odd_modules(setting: _Setting) -> None:
    model = _Odd()
    learner, frozen = setting.learner(model), model.frozen.weight.clone()
    for batch in [*_toy(30), _joined(_toy(6))]:
        learner.learn(batch)
    _require(torch.equal(model.frozen.weight, frozen), "frozen weights stay")
    _require(model.second.weight is model.first.weight, "tied weights stay tied")
    _require(all(p.isfinite().all() for p in model.parameters()), "weights stay finite")
    _require(model.norm.training, "modes are as before")


def check_memory(make: Callable[[int], Memory], *, resumes: bool = True) -> None:
    """Check a memory: bounded, faithful, exact in its columns, resumable.

    Args:
        make: gives a new memory for a number of rows.
        resumes: whether a new one can become what another one saved; one on disk goes back to its own saves alone.

    Raises:
        ContractBroken: naming the rule.

    >>> check_memory(Reservoir)
    """
    memory = make(10)
    _require(len(memory) == 0 and not memory.sample(5), "an empty memory gives a batch without columns")
    memory.add(_numbered(0, 2))
    _require(count(memory.sample(8)) == len(memory) == 2, "sample(n) gives min(n, len) rows")
    for start in range(2, 400, 7):
        memory.add(_numbered(start, 7))
        _require(len(memory) <= 10, "a memory never holds more than its capacity")
    drawn = memory.sample(10)
    _require(drawn["x"].dtype == torch.uint8 and drawn["n"].dtype == torch.int64, "columns keep their dtype")
    _require(bool((drawn["x"][:, 0] == drawn["n"] % 251).all()), "a row's columns stay together")
    drawn["n"].fill_(-1)
    _require(bool((memory.sample(10)["n"] >= 0).all()), "what was drawn is a copy")
    for changed in ({"n": torch.zeros(1).long()}, _numbered(0, 1) | {"x": torch.zeros(1, 3)}):
        for offer in (memory.expect, memory.add):
            try:
                offer(changed)
            except InputError:
                continue
            raise ContractBroken("a batch whose columns changed is refused with an InputError, by expect and by add")
    _check_memory_resumes(make(10) if resumes else memory, memory)


def _check_memory_resumes(twin: Memory, memory: Memory) -> None:
    state = memory.state_dict()

    def drawn(one: Memory) -> Iterator[Tensor]:
        for start in range(400, 500, 5):
            one.add(_numbered(start, 5))
            yield one.sample(6)["n"]

    first = list(drawn(memory))
    twin.load_state_dict(state)
    _require(all(map(torch.equal, first, drawn(twin))), "a resumed memory goes on as the first did")


def _numbered(start: int, rows: int) -> dict[str, Tensor]:
    n = torch.arange(start, start + rows)
    return {"n": n, "x": (n % 251).to(torch.uint8)[:, None].repeat(1, 3), "task": n // 200, "one": torch.ones(rows)}


def check_stream(stream: Stream) -> None:
    """Check a stream: its tasks in order, the same each time, with test sets of the same columns.

    Args:
        stream: a short one; it is gone through twice.

    Raises:
        ContractBroken: naming the rule.
    """
    first, again = list(stream), list(stream)
    _require(len(first) == len(again) and all(map(_same, first, again)), "it gives the same batches each time")
    tasks = torch.cat([batch["task"] for batch in first])
    _require(torch.equal(tasks, tasks.sort().values), "tasks come one after another")
    _require(tasks.unique().tolist() == list(range(stream.tasks)), "every task has training batches")
    for task in range(stream.tasks):
        own = [batch for batch in first if int(batch["task"][0]) == task]
        _require(all(map(_same, own, stream.train(task))), "train(task) gives that part of the stream")
        test = stream.test(task)
        _require(test.keys() == first[0].keys() and count(test) > 0, "test(task) has rows and the stream's columns")


def _same(one: Batch, other: Batch) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
