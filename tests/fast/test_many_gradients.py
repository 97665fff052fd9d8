"""Gradients of several batches from one pass are those of a pass each."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import everlearn as el
from everlearn.fast import gradients
from everlearn.weights import flat


def learner(widths, loss=el.cross_entropy, activation=nn.ReLU, seed=0):
    model = el.mlp(widths, activation, seed=seed).double()
    return el.Learner(model, torch.optim.SGD(model.parameters(), lr=0.1), loss, method=el.Online())


def batches(sizes, widths, loss=el.cross_entropy, seed=0):
    chance = torch.Generator().manual_seed(seed)
    x = [torch.randn(n, widths[0], generator=chance, dtype=torch.float64) for n in sizes]
    if loss is el.chosen_huber:
        return [
            {
                "x": own,
                "action": torch.randint(widths[-1], (len(own),), generator=chance),
                "target": torch.randn(len(own), generator=chance, dtype=torch.float64),
            }
            for own in x
        ]
    if loss is el.cross_entropy:
        y = [torch.randint(widths[-1], (n,), generator=chance) for n in sizes]
    else:
        y = [torch.randn(n, widths[-1], generator=chance, dtype=torch.float64) for n in sizes]
    return [{"x": a, "y": b} for a, b in zip(x, y, strict=True)]


@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=4),
    st.lists(st.integers(1, 5), min_size=1, max_size=6),
    st.sampled_from([el.cross_entropy, el.squared, el.huber, el.chosen_huber]),
    st.sampled_from([nn.ReLU, nn.Tanh]),
    st.integers(0, 1000),
)
def test_they_equal_a_pass_for_each(widths, sizes, loss, activation, seed):
    own, given = learner(widths, loss, activation, seed), batches(sizes, widths, loss, seed)
    found = gradients(own.model, own.loss, given)
    one_by_one = torch.stack([flat(own.gradient(batch)[1]) for batch in given])
    torch.testing.assert_close(found, one_by_one, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(own.gradients(given), one_by_one, rtol=1e-10, atol=1e-12)


def test_a_model_that_flattens_first_takes_pictures():
    own, given = learner([6, 3, 2]), batches([3, 1], [6, 3, 2])
    expected = own.gradients(given)
    own.model.insert(0, nn.Flatten())
    pictures = [batch | {"x": batch["x"].reshape(-1, 2, 3)} for batch in given]
    torch.testing.assert_close(gradients(own.model, own.loss, pictures), expected, rtol=1e-10, atol=1e-12)
    del own.model[0]
    assert gradients(own.model, own.loss, pictures) is None


def test_a_readable_learner_gives_the_same():
    compiled, sizes = learner([4, 3, 2]), [3, 1]
    readable = learner([4, 3, 2])
    readable.forward = lambda model, batch: model(batch["x"])
    given = batches(sizes, [4, 3, 2])
    assert compiled.path == "compiled" != readable.path
    torch.testing.assert_close(compiled.gradients(given), readable.gradients(given), rtol=1e-10, atol=1e-12)


def test_activations_in_place():
    own = learner([4, 6, 5, 2])
    for i in (1, 3):
        own.model[i] = nn.ReLU(inplace=True)
    given = batches([3, 2], [4, 6, 5, 2])
    assert own.path == "compiled"
    one_by_one = torch.stack([flat(own.gradient(batch)[1]) for batch in given])
    torch.testing.assert_close(own.gradients(given), one_by_one, rtol=1e-10, atol=1e-12)


def test_parameters_in_another_order_take_the_readable_path():
    own = learner([4, 3, 2])
    weight = own.model[0]._parameters.pop("weight")
    own.model[0].register_parameter("weight", weight)
    given = batches([3, 2], [4, 3, 2])
    assert own.path == "readable: the model has parameters that are not its layers' weight and bias, in this order"
    one_by_one = torch.stack([flat(own.gradient(batch)[1]) for batch in given])
    torch.testing.assert_close(own.gradients(given), one_by_one, rtol=0, atol=0)


def test_batches_that_are_not_alike_take_the_readable_path():
    own, given = learner([4, 3, 2]), batches([3, 2], [4, 3, 2])
    given[1]["task"] = torch.zeros(2)
    one_by_one = torch.stack([flat(own.gradient(batch)[1]) for batch in given])
    torch.testing.assert_close(own.gradients(given), one_by_one)


def test_rows_that_are_no_vectors_take_the_readable_path():
    own = learner([4, 3, 2], el.squared)
    given = [{"x": torch.randn(2, 5, 4).double(), "y": torch.randn(2, 5, 2).double()}]
    assert gradients(own.model, own.loss, given) is None
    torch.testing.assert_close(own.gradients(given)[0], flat(own.gradient(given[0])[1]))


def test_a_loss_that_is_not_finite_is_told():
    own, given = learner([4, 2]), batches([2, 2], [4, 2])
    given[1]["x"] = given[1]["x"] * float("inf")
    with pytest.raises(el.Diverged, match="no longer finite"):
        own.gradients(given)
