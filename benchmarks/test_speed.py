"""How much faster the compiled path is, on real MNIST rows, learning only."""

import copy
from dataclasses import replace
from importlib import import_module
from itertools import cycle, islice
from time import perf_counter

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import everlearn as el
from conftest import seconds
from everlearn.fast.perceptron import Perceptron
from everlearn.presets import paper

WIDTHS = [784, 100, 100, 10]


@pytest.fixture(scope="session")
def rows():
    """1,000 rows of MNIST."""
    stream = replace(el.Rotations(), batch_size=1000)
    return next(iter(stream.train(0)))


def call_on_x(model, batch):
    """What the default forward does, but not the default itself: so the readable path runs."""
    return model(batch["x"])


def test_one_step(rows, claims):
    """784-100-100-10, one row a step, against the loop that anyone would write in PyTorch.

    Both begin anew each time and see the same rows once, at the paper's rate for Rotations-5120.
    """

    model = el.mlp(WIDTHS)
    twin = Perceptron(model, el.cross_entropy)
    sgd = torch.optim.SGD(model.parameters(), lr=0.03)
    ready = twin.rows(rows, None)
    begin, weights = twin.snapshot(), copy.deepcopy(model.state_dict())

    def compiled_steps():
        twin.move_from(begin, 0.0)
        twin.descend_each(ready, lr=0.03)

    def eager_steps():
        model.load_state_dict(weights)
        for x, y in zip(rows["x"].split(1)[:200], rows["y"].split(1)[:200], strict=True):
            sgd.zero_grad()
            F.cross_entropy(model(x), y).backward()
            sgd.step()

    compiled, loop = seconds(compiled_steps, eager_steps, rounds=15)
    compiled, loop = compiled / 1000, loop / 200
    claims(
        "one step, against an eager loop",
        loop / compiled,
        at_least=60,
        details=f"{compiled * 1e6:.2f} µs and {loop * 1e6:.0f} µs",
    )


def test_one_step_on_a_dense_input(claims):
    """No zero to skip; against the same multiply-adds as matrix products of 256 rows at once (sgemm)."""
    twin = Perceptron(el.mlp(WIDTHS), el.cross_entropy)
    dense = {"x": 0.1 * torch.randn(1000, 784), "y": torch.randint(10, (1000,))}
    ready = twin.rows(dense, None)
    shapes = [(784, 100), (100, 100), (100, 10)]
    weights = [torch.randn(shape) for shape in shapes]
    below = [torch.randn(256, n) for n, _ in shapes]
    errors = [torch.randn(256, m) for _, m in shapes]

    def products():
        for layer, (weight, x, error) in enumerate(zip(weights, below, errors, strict=True)):
            x @ weight
            x.T @ error
            if layer > 0:
                error @ weight.T

    compiled, sgemm = seconds(lambda: twin.descend_each(ready, lr=1e-4), products, rounds=25)
    compiled, sgemm = compiled / 1000, sgemm / 256
    claims(
        "one step on a dense input, in times of sgemm",
        compiled / sgemm,
        at_most=5,
        details=f"{compiled * 1e6:.2f} µs and {sgemm * 1e6:.2f} µs",
    )


@pytest.mark.parametrize(("stream", "memory"), [("rotations", 200), ("many-permutations", 500)])
def test_gem(stream, memory, claims):
    """GEM's step in the middle of the paper's stream, against a pass for each past task."""
    experiment = paper(stream, "gem", memory)
    tasks, learners = experiment.stream, [experiment.learner() for _ in range(2)]
    for learner in learners:
        for task in range(tasks.tasks // 2):
            for batch in islice(tasks.train(task), memory // tasks.tasks):
                learner.memory.add(batch)
    batches = cycle(list(tasks.train(tasks.tasks // 2))[:200])
    learners[1].forward = call_on_x

    fast, slow = seconds(*(lambda one=one: [one.learn(row) for row in islice(batches, 10)] for one in learners))
    name = f"GEM, {stream} at {memory}, against a pass for each task"
    claims(name, slow / fast, at_least=2, details=f"{fast * 100:.1f} and {slow * 100:.1f} ms an example")


def full_learner(stream, memory):
    """A learner as in the paper, its memory full, and batches to come."""
    experiment = paper(stream, "mer", memory)
    learner = experiment.learner()
    tasks = replace(experiment.stream, batch_size=200)
    for batch in islice(cycle(tasks), memory // 200 + 1):
        learner.memory.add(batch)
    return learner, cycle(list(experiment.stream.train(1))[:200])


@pytest.mark.parametrize(
    ("stream", "memory", "target", "examples"),
    [("rotations", 5120, 55, 10), ("rotations", 200, 25, 100), ("many-permutations", 500, 18, 100)],
)
def test_mer_through_the_seam(stream, memory, target, examples, claims):
    """`learner.learn` on single rows, MER Algorithm 1 in the paper's setting, against the readable path."""
    compiled, batches = full_learner(stream, memory)
    readable, _ = full_learner(stream, memory)
    readable.forward = call_on_x
    assert (compiled.path, readable.path) == ("compiled", "readable: forward= is one's own")
    few = max(1, examples // 20)

    fast, slow = seconds(
        lambda: [compiled.learn(batch) for batch in islice(batches, examples)],
        lambda: [readable.learn(batch) for batch in islice(batches, few)],
    )
    steps = compiled.method.batches * (1 + compiled.method.replayed)
    fast, slow = fast / examples / steps, slow / few / steps
    name = f"MER, {stream} at {memory}, against the readable path"
    claims(name, slow / fast, at_least=target, details=f"{fast * 1e6:.2f} µs and {slow * 1e6:.0f} µs a step")


def test_a_step_on_many_rows(claims):
    """ER's steps of a DQN's size, 17 rows at once, against the readable path."""
    rows = {"x": torch.randn(17, 5), "y": torch.randint(3, (17,))}
    learners = []
    for forward in ({}, {"forward": call_on_x}):
        model = el.mlp([5, 64, 64, 3])
        sgd = torch.optim.SGD(model.parameters(), lr=1e-4)
        learners.append(el.Learner(model, sgd, el.cross_entropy, method=el.Online(), **forward))
    fast, slow = seconds(*(lambda one=one: [one.learn(rows) for _ in range(200)] for one in learners), rounds=15)
    claims(
        "a step on 17 rows, 5-64-64-3, against the readable path",
        slow / fast,
        at_least=2,
        details=f"{fast * 5e3:.0f} and {slow * 5e3:.0f} µs",
    )


def test_share_of_the_kernel(claims):
    """Of the time of `learn` at Rotations-5120, what is spent within the kernel."""
    learner, batches = full_learner("rotations", 5120)
    learner.learn(next(batches))
    twin, within = learner._paths._twin, []
    kernel = twin._kernel

    def timed(*arguments):
        started = perf_counter()
        done = kernel(*arguments)
        within.append(perf_counter() - started)
        return done

    twin._kernel = timed
    started = perf_counter()
    for batch in islice(batches, 100):
        learner.learn(batch)
    whole = perf_counter() - started
    claims(
        "share of the kernel, rotations at 5120",
        sum(within) / whole,
        at_least=0.75,
        details=f"{sum(within) * 10:.2f} of {whole * 10:.2f} ms an example",
    )


def small_learner(memory):
    model = el.mlp([16, 16, 4])
    sgd = torch.optim.SGD(model.parameters(), lr=0.01)
    return el.Learner(model, sgd, el.cross_entropy, memory=el.Reservoir(memory), method=el.MER())


def some_rows(n):
    return {"x": torch.randn(n, 16), "y": torch.randint(4, (n,))}


def test_cost_is_flat_in_the_memorys_size(claims):
    """MER at 10⁶ slots, all filled, against 10³."""
    small, large = small_learner(1000), small_learner(1_000_000)
    for learner, size in ((small, 1000), (large, 1_000_000)):
        learner.memory.add(some_rows(size))
    batches = [some_rows(1) for _ in range(200)]
    few, many = seconds(*(lambda one=one: [one.learn(batch) for batch in batches] for one in (small, large)))
    claims(
        "MER with 10⁶ slots, against 10³",
        many / few,
        at_most=1.5,
        details=f"{many * 5:.3f} and {few * 5:.3f} ms",
    )


def test_cost_is_flat_in_the_streams_length(claims):
    """MER after 10⁶ examples, against after 10³."""
    young, old = small_learner(1000), small_learner(1000)
    young.memory.add(some_rows(1000))
    for _ in range(100):
        old.memory.add(some_rows(10_000))
    assert old.memory.seen == 1_000_000
    batches = [some_rows(1) for _ in range(200)]
    early, late = seconds(*(lambda one=one: [one.learn(batch) for batch in batches] for one in (young, old)))
    claims(
        "MER after 10⁶ examples, against 10³",
        late / early,
        at_most=1.5,
        details=f"{late * 5:.3f} and {early * 5:.3f} ms",
    )


@pytest.mark.parametrize("method", ["mer", "online"])
def test_a_convolutional_network_on_single_rows(method, claims):
    """Omniglot's network through the seam, against its bare forward, backward and update."""
    experiment = paper("omniglot", method, 500)
    learner, bare = experiment.learner(), experiment.learner().model
    batches = list(replace(experiment.stream, tasks=1).train(0))[:60]
    for batch in batches:
        learner.memory.add(batch)
    sgd = torch.optim.SGD(bare.parameters(), lr=experiment.lr)
    steps = learner.method.batches * (1 + learner.method.replayed) if method == "mer" else 1

    def through_the_seam():
        for batch in batches[: 60 // steps]:
            learner.learn(batch)

    def bare_steps():
        for batch in batches:
            sgd.zero_grad()
            F.cross_entropy(bare(batch["x"], batch["task"]), batch["y"]).backward()
            sgd.step()

    ours, theirs = seconds(through_the_seam, bare_steps)
    ours, theirs = ours / (60 // steps * steps), theirs / len(batches)
    claims(
        f"a step of {method} on Omniglot's network, in times of the bare one",
        ours / theirs,
        at_most=1.5,
        details=f"{ours * 1e3:.2f} and {theirs * 1e3:.2f} ms",
    )


def attention():
    """A layer of attention over 16 vectors of 64."""
    return nn.Sequential(
        nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True), nn.Flatten(), nn.Linear(16 * 64, 10)
    )


def convolutions():
    """Omniglot's network with one head."""
    return nn.Sequential(el.ConvNet([10]).features, nn.Linear(64, 10))


@pytest.mark.parametrize(
    ("name", "make", "shape", "at_least"),
    [
        ("attention", attention, (16, 64), 2),
        (
            "a wide convolutional network",
            convolutions,
            (1, 28, 28),
            0.5,
        ),
    ],
)
def test_gradients_of_rows(name, make, shape, at_least, claims):
    """The gradients of 101 rows each by itself, vectorised, against row by row."""
    module, model = import_module("everlearn.alignment.gradients"), make().eval()
    learner = el.Learner(model, torch.optim.SGD(model.parameters(), lr=0.1), el.cross_entropy, method=el.Online())
    batch = {"x": torch.randn(101, *shape), "y": torch.randint(10, (101,))}
    assert module._by_vmap(learner, batch) is not None
    fast, slow = seconds(lambda: module._by_vmap(learner, batch), lambda: module._by_rows(learner, batch), rounds=3)
    details = f"{fast * 1e3:.0f} and {slow * 1e3:.0f} ms"
    claims(f"gradients of 101 rows, {name}, against row by row", slow / fast, at_least=at_least, details=details)
