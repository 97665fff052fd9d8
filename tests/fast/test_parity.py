"""The compiled path does what the readable path does."""

import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import everlearn as el
from everlearn.fast import kernel
from everlearn.fast.perceptron import Perceptron

LOSSES = [el.cross_entropy, el.squared, el.huber, el.chosen_huber]


@dataclass(frozen=True)
class Steps:
    """One step on each row; the weight is a column of the batch, where there is one."""

    def __call__(self, learner, batch):
        return learner.descend_each(batch, batch.get("weight"))


@dataclass(frozen=True)
class Batches:
    """One step on each so many rows, likewise."""

    rows: int

    def __call__(self, learner, batch):
        parts = [{name: values[i : i + self.rows] for name, values in batch.items()} for i in range(0, 2000, self.rows)]
        return torch.cat([learner.descend(part, part.get("weight")) for part in parts])


@dataclass(frozen=True)
class Sixth:
    """Steps of which the sixth has a weight of its own."""

    weight: float

    def __call__(self, learner, batch):
        weight = torch.ones(len(batch["x"])).double()
        weight[5] = self.weight
        return learner.descend_each(batch, weight)


def call_on_x(model, batch):
    """Not the default forward, though it does the same: the readable path runs."""
    return model(batch["x"])


def pair(method, widths, loss=el.cross_entropy, *, activation=nn.ReLU, dtype=torch.float64, lr=0.05, seed=0):
    """Two equal learners: the first compiled, the second readable."""
    learners = []
    for forward in (None, call_on_x):
        model = el.mlp(widths, activation, seed=seed).to(dtype)
        for layer in model[::2]:
            nn.init.uniform_(layer.bias, -0.3, 0.3, generator=torch.Generator().manual_seed(seed))
        learners.append(
            el.Learner(
                model,
                torch.optim.SGD(model.parameters(), lr=lr),
                loss,
                memory=el.Reservoir(30, seed=seed),
                method=method,
                seed=seed,
                **({} if forward is None else {"forward": forward}),
            )
        )
    assert [learner.path.partition(":")[0] for learner in learners] == ["compiled", "readable"]
    return learners


def rows(n, inputs, outputs, loss=el.cross_entropy, *, dtype=torch.float64, seed=0):
    """Rows of which half the inputs are zero."""
    chance = torch.Generator().manual_seed(seed)
    x = torch.randn(n, inputs, generator=chance, dtype=dtype)
    x *= torch.rand(n, inputs, generator=chance) < 0.5
    if loss is el.cross_entropy:
        return {"x": x, "y": torch.randint(outputs, (n,), generator=chance)}
    if loss is el.chosen_huber:
        target = 2 * torch.randn(n, generator=chance, dtype=dtype)
        return {"x": x, "action": torch.randint(outputs, (n,), generator=chance), "target": target}
    return {"x": x, "y": 2 * torch.randn(n, outputs, generator=chance, dtype=dtype)}


def gap(one, other):
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    return max((p - q).abs().max().item() for p, q in pairs)


@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 3, 2)])
def test_a_model_that_flattens_first_learns_pictures(shape):
    learners, given = pair(el.MER(3, 4), [6, 5, 3]), rows(20, 6, 3)
    for one in learners:
        one.model.insert(0, nn.Flatten())
    compiled, readable = learners
    told = [one.learn(given | {"x": given["x"].reshape(20, *shape)}) for one in learners]
    assert (compiled.path, readable.path) == ("compiled", "readable: forward= is one's own")
    torch.testing.assert_close(*told, rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(compiled.model.parameters(), readable.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_a_twin_is_made_anew_where_the_model_flattens_no_more():
    learner, _ = pair(Steps(), [6, 3])
    learner.model.insert(0, nn.Flatten())
    given = rows(4, 6, 3)
    learner.learn(given | {"x": given["x"].reshape(4, 2, 3)})
    learner.learn(given)
    del learner.model[0]
    assert learner.path == "compiled"
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        learner.learn(given | {"x": given["x"].reshape(4, 2, 3)})


@settings(max_examples=25, deadline=None)
@given(
    widths=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    activation=st.sampled_from([nn.ReLU, nn.Tanh]),
    loss=st.sampled_from(LOSSES),
    weighted=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_two_thousand_steps_end_in_the_same_place(widths, activation, loss, weighted, seed):
    compiled, readable = pair(Steps(), widths, loss, activation=activation, seed=seed)
    batch = rows(2000, widths[0], widths[-1], loss, seed=seed)
    if weighted:
        batch["weight"] = torch.rand(2000, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(compiled.learn(batch), readable.learn(batch), rtol=0, atol=1e-9)
    assert gap(compiled, readable) < 1e-9
    assert compiled.steps == readable.steps == 2000


@settings(max_examples=25, deadline=None)
@given(
    widths=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    activation=st.sampled_from([nn.ReLU, nn.Tanh]),
    loss=st.sampled_from(LOSSES),
    weighted=st.booleans(),
    size=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
def test_steps_on_many_rows_end_in_the_same_place(widths, activation, loss, weighted, size, seed):
    compiled, readable = pair(Batches(size), widths, loss, activation=activation, seed=seed)
    batch = rows(2000, widths[0], widths[-1], loss, seed=seed)
    if weighted:
        batch["weight"] = torch.rand(2000, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(compiled.learn(batch), readable.learn(batch), rtol=0, atol=1e-9)
    assert gap(compiled, readable) < 1e-9
    assert compiled.steps == readable.steps == -(-2000 // size)


@pytest.mark.parametrize(
    ("widths", "size", "compiled"),
    [
        ([5, 64, 64, 3], 17, True),
        ([784, 100, 100, 10], 4, True),
        ([784, 400, 400, 10], 1, False),
        ([5, 64, 64, 3], 500, False),
    ],
)
def test_a_step_on_many_rows_is_compiled_where_that_is_faster(widths, size, compiled, monkeypatch):
    asked, descend = [], Perceptron.descend
    monkeypatch.setattr(Perceptron, "descend", lambda *given: asked.append(1) or descend(*given))
    learner, _ = pair(el.Online(), widths)
    learner.learn(rows(size, widths[0], widths[-1]))
    assert bool(asked) is compiled


@pytest.mark.parametrize(
    ("loss", "y", "error", "message"),
    [
        (el.cross_entropy, [0, 2], el.InputError, "label 2 in column 'y' is out of range"),
        (el.squared, [[0.0, 0.0], [0.0, 1e200]], el.Diverged, "the loss is no longer finite"),
    ],
)
def test_where_no_step_can_be_taken_none_is(loss, y, error, message):
    for learner in pair(el.Online(), [3, 4, 2], loss):
        before = [p.clone() for p in learner.model.parameters()]
        dtype = torch.int64 if loss is el.cross_entropy else torch.float64
        with pytest.raises(error, match=message):
            learner.learn(rows(2, 3, 2, loss) | {"y": torch.tensor(y, dtype=dtype)})
        assert all(torch.equal(p, old) for p, old in zip(learner.model.parameters(), before, strict=True))
        assert learner.steps == 0


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_a_batch_of_the_papers_network_in_float32(activation):
    widths = [784, 100, 100, 10]
    compiled, readable = pair(Steps(), widths, activation=activation, dtype=torch.float32, lr=0.03)
    losses = [learner.learn(rows(100, 784, 10, dtype=torch.float32)) for learner in (compiled, readable)]
    torch.testing.assert_close(*losses, rtol=0, atol=1e-6)
    assert 0 < gap(compiled, readable) < 1e-6


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"action": torch.tensor([0.0, 1.0])}, "the rows' labels, or actions, are not integers"),
        ({"target": torch.zeros(2, 1).double()}, "the rows' targets are not float64 of shape (1,)"),
        ({"target": torch.zeros(2)}, "the rows' targets are not float64 of shape (1,)"),
    ],
)
def test_other_targets_and_actions_take_the_readable_path(changed, why):
    learner, _ = pair(Steps(), [3, 2], el.chosen_huber)
    given = rows(2, 3, 2, el.chosen_huber) | changed
    with pytest.raises(el.InputError) if "target" not in changed or changed["target"].ndim == 2 else nullcontext():
        learner.learn(given)
    assert why in learner.path


@pytest.mark.parametrize("action", [-1, 2])
def test_an_action_that_is_no_output_is_refused(action):
    for learner in pair(Steps(), [3, 2], el.chosen_huber):
        with pytest.raises(el.InputError, match="column 'action' must hold integers from 0 to 1"):
            learner.learn(rows(2, 3, 2, el.chosen_huber) | {"action": torch.tensor([0, action])})


@pytest.mark.parametrize("logits", [[40.0, 0.0, 36.0], [100.0, 0.0, 90.0], [1e8, 1e8, 0.0], [-1e8, 0.0, 0.0]])
def test_a_loss_that_is_a_small_difference_of_large_numbers(logits):
    compiled, readable = pair(Steps(), [1, 3], dtype=torch.float32, lr=1e-6)
    for learner in (compiled, readable):
        with torch.no_grad():
            learner.model[0].bias.copy_(torch.tensor(logits))
    batch = {"x": torch.zeros(1, 1), "y": torch.tensor([0])}
    torch.testing.assert_close(compiled.learn(batch), readable.learn(batch), rtol=1e-6, atol=0)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("widths", [[784, 100, 100, 10], [20, 30, 17], [5, 9]], ids=str)
def test_the_same_to_the_last_bit_wherever_arrays_lie(loss, widths):
    """A loop that both sums and stores would be run in another order where two arrays are neighbours."""
    batch = rows(40, widths[0], widths[-1], loss, dtype=torch.float32)
    results, kept = set(), []
    for size in range(8):
        learner, _ = pair(Steps(), widths, loss, dtype=torch.float32, lr=0.01)
        for start in range(40):
            learner.learn({name: values[start : start + 1].clone() for name, values in batch.items()})
            kept.append(torch.empty(1 + 37 * size))
        results.add(nn.utils.parameters_to_vector(learner.model.parameters()).detach().numpy().tobytes())
    assert len(results) == 1


@pytest.mark.parametrize(
    "method",
    [el.MER(gamma=0.5), el.MERBig(batches=3), el.MERCurrent(), el.Reptile(), el.Online(), el.ER(), el.TaskER()],
)
def test_every_method_learns_the_same_from_the_same_draws(method):
    compiled, readable = pair(method, [5, 7, 6, 4])
    batch = rows(200, 5, 4) | {"task": torch.arange(200) // 100}
    for start in range(0, 200, 2):
        given = {name: values[start : start + 2] for name, values in batch.items()}
        assert compiled.learn(given).item() == pytest.approx(readable.learn(given).item(), abs=1e-9)
    assert gap(compiled, readable) < 1e-9
    assert compiled.steps == readable.steps


def test_a_step_worked_by_hand():
    """One input, one hidden unit, one output: θ' = θ − lr · dl/dθ, by the chain rule on paper."""
    model = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1)).double()
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), (2.0, 1.0, 3.0, -1.0), strict=True):
            parameter.fill_(value)
    learner = el.Learner(model, torch.optim.SGD(model.parameters(), lr=0.1), el.squared, method=Steps())
    # Hidden: 2 · 0.5 + 1 = 2. Output: 3 · 2 − 1 = 5. Loss: (5 − 4)² = 1; by the output 2.
    loss = learner.learn({"x": torch.tensor([[0.5]]).double(), "y": torch.tensor([[4.0]]).double()})
    assert learner.path == "compiled"
    assert loss.item() == 1
    # By the hidden unit 3 · 2 = 6; so by its weight 3 and by its bias 6; above 2 · 2 = 4 and 2.
    expected = (2 - 0.1 * 3, 1 - 0.1 * 6, 3 - 0.1 * 4, -1 - 0.1 * 2)
    assert [p.item() for p in model.parameters()] == pytest.approx(expected, abs=1e-15)


def test_a_tanh_unit_at_zero_still_passes_its_gradient_down():
    compiled, readable = pair(Steps(), [3, 4, 2], activation=nn.Tanh)
    for learner in (compiled, readable):
        with torch.no_grad():
            learner.model[0].weight.zero_()
            learner.model[0].bias.zero_()
        learner.learn(rows(1, 3, 2))
    assert gap(compiled, readable) < 1e-15
    assert compiled.model[0].weight.abs().sum() > 0


@pytest.mark.parametrize("label", [2, 100, -1, -100])
def test_a_label_out_of_range_is_refused_after_the_rows_before_it(label):
    compiled, readable = pair(Steps(), [3, 4, 2])
    batch = rows(5, 3, 2) | {"weight": torch.arange(1.0, 6.0)}
    batch["y"][3] = label
    for learner in (compiled, readable):
        with pytest.raises(el.InputError, match=f"label {label} in column 'y' is out of range"):
            learner.learn(batch)
        assert learner.steps == 3
    assert gap(compiled, readable) < 1e-15


def test_divergence_stops_before_the_step_that_it_would_spoil():
    compiled, readable = pair(Steps(), [3, 4, 2], el.squared, lr=1e80)
    for learner in (compiled, readable):
        with pytest.raises(el.Diverged, match="no longer finite after 1 steps"):
            learner.learn(rows(9, 3, 2, el.squared))
        assert all(p.isfinite().all() for p in learner.model.parameters())


@pytest.mark.parametrize("method", [el.MER(), el.MERBig(), el.MERCurrent()])
def test_weights_go_back_from_infinity_to_where_the_meta_update_began(method):
    batch = rows(2, 3, 2, el.squared) | {"y": torch.full((2, 2), 1e10).double()}
    for forward in ({}, {"forward": call_on_x}):
        model = el.mlp([3, 4, 2]).double()
        sgd = torch.optim.SGD(model.parameters(), lr=1e300)
        learner = el.Learner(model, sgd, el.squared, memory=el.Reservoir(5), method=method, **forward)
        learner.memory.add(batch)
        before = [p.detach().clone() for p in model.parameters()]
        with pytest.raises(el.Diverged, match="no longer finite"):
            learner.learn(batch)
        assert all(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 1e308])
def test_a_weight_that_spoils_the_loss_is_noticed_before_the_step(weight):
    compiled, readable = pair(Sixth(weight), [3, 4, 2], el.squared)
    batch = rows(9, 3, 2, el.squared)
    batch["y"] *= 10
    for learner in (compiled, readable):
        with pytest.raises(el.Diverged, match="no longer finite after 5 steps"):
            learner.learn(batch)
    assert gap(compiled, readable) < 1e-9


def test_rows_that_the_kernel_leaves_are_stepped_on_by_torch_with_their_own_weights():
    compiled, readable = pair(Steps(), [3, 4, 2])
    batch = rows(6, 3, 2) | {"weight": torch.arange(1.0, 7.0)}
    one = {name: values[:1] for name, values in batch.items()}
    for learner in (compiled, readable):
        learner.learn(one)
    kernel = compiled._paths._twin._kernel
    compiled._paths._twin._kernel = lambda *given: kernel(*given[:6], given[6][:2], *given[7:])
    for learner in (compiled, readable):
        learner.learn(batch)
    assert compiled.steps == readable.steps == 7
    assert gap(compiled, readable) < 1e-12


def test_steps_by_torch_that_spoil_the_weights_are_noticed_too(monkeypatch):
    """Where a method's last step is on many rows at once, the twin has not seen it."""
    monkeypatch.setattr(Perceptron, "gains", lambda *_: False)
    for learner in pair(el.Online(), [3, 4, 3], el.squared, lr=1e200):
        with pytest.raises(el.Diverged, match="holds NaN or infinity"):
            learner.learn(rows(20, 3, 3, el.squared) | {"y": torch.full((20, 3), 1e150, dtype=torch.float64)})


def test_weights_that_overflow_are_noticed_though_no_loss_did():
    compiled, readable = pair(Steps(), [3, 4, 2], el.squared, lr=1e308)
    for learner in (compiled, readable):
        with pytest.raises(el.Diverged, match="holds NaN or infinity: go back to a checkpoint"):
            learner.learn(rows(1, 3, 2, el.squared) | {"y": torch.full((1, 2), 1e3).double()})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("layer", [0, 2])
def test_a_weight_that_is_not_finite_is_noticed_even_where_no_input_reaches_it(value, layer):
    for learner in pair(Steps(), [3, 4, 2]):
        with torch.no_grad():
            learner.model[layer].weight[0, 0] = value
        with pytest.raises(el.Diverged):
            learner.learn({"x": torch.zeros(1, 3).double(), "y": torch.tensor([0])})


def test_widths_depth_loss_and_activation_need_no_compiling_of_their_own():
    for dtype in (torch.float32, torch.float64):
        for loss in LOSSES:
            for widths in ([2, 3], [3, 4, 2], [5, 4, 3, 2]):
                for activation in (nn.ReLU, nn.Tanh):
                    learner, _ = pair(Steps(), widths, loss, activation=activation, dtype=dtype)
                    batch = rows(3, widths[0], widths[-1], loss, dtype=dtype)
                    learner.learn(batch)
                    learner.learn(
                        {name: values.repeat(2, *[1] * (values.ndim - 1))[::2] for name, values in batch.items()}
                    )
    for dtype in (torch.float32, torch.float64):
        assert len(kernel.compiled(dtype).signatures) == 1


@pytest.mark.parametrize("harm", ["no folder", "an empty index", "a torn file"])
def test_what_was_kept_on_disk_may_be_damaged_or_nowhere(harm, tmp_path):
    """It is compiled again; here in a process of its own, as each compiles at most once."""
    folder = tmp_path / "cache"
    program = Path(__file__).with_name("keeping.py")
    run = partial(subprocess.run, [sys.executable, program], capture_output=True, text=True, check=False)
    if harm == "no folder":
        (tmp_path / "file").write_text("")
        done = run(env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "file")})
    else:
        assert run(env=os.environ | {"NUMBA_CACHE_DIR": str(folder)}).returncode == 0
        files = list(folder.rglob("*.nbi" if harm == "an empty index" else "*.nbc"))
        assert files
        for file in files:
            file.write_bytes(b"" if harm == "an empty index" else file.read_bytes()[:100])
        done = run(env=os.environ | {"NUMBA_CACHE_DIR": str(folder)})
    assert done.stdout == "8.0\n", done.stderr
