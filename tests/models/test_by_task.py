"""Networks with parts for each task: the right part for each row, and for no other."""

import pytest
import torch
from torch import nn

import everlearn as el

TASKS = torch.tensor([2, 0, 2, 1, 0])


def test_each_row_goes_through_its_own_part():
    model, x = el.ByTask([nn.Linear(3, 2) for _ in range(3)]), torch.randn(5, 3)
    output = model(x, TASKS)
    for row, task in enumerate(TASKS):
        torch.testing.assert_close(output[row], model.parts[task](x[row]))


def test_only_the_parts_that_were_called_have_gradients():
    model = el.ByTask([nn.Linear(3, 2) for _ in range(3)])
    model(torch.randn(2, 3), torch.tensor([0, 2])).sum().backward()
    assert [part.weight.grad is None for part in model.parts] == [False, True, False]


def test_narrow_heads_are_padded_and_learn_as_without():
    torch.manual_seed(0)
    heads = el.ByTask([nn.Linear(3, 2), nn.Linear(3, 4)], width=4)
    x, y = torch.randn(1, 3), torch.tensor([1])
    loss = el.cross_entropy(heads(x, torch.tensor([0])), {"y": y})
    torch.testing.assert_close(loss, nn.functional.cross_entropy(heads.parts[0](x), y, reduction="none"))
    loss.sum().backward()
    assert all(p.grad.isfinite().all() for p in heads.parts[0].parameters())


def test_a_label_that_a_head_has_not_is_named():
    heads = el.ByTask([nn.Linear(3, 2), nn.Linear(3, 4)], width=4)
    output = heads(torch.zeros(1, 3), torch.tensor([0]))
    with pytest.raises(el.InputError, match="label 3 .* a class that this row's head does not have"):
        el.cross_entropy(output, {"y": torch.tensor([3])})


def test_the_conv_net_bends():
    model = el.ConvNet([3], filters=(4,), normalised=False)
    assert [type(layer).__name__ for layer in model.features] == ["Conv2d", "Identity", "ReLU", "MaxPool2d", "Flatten"]
    assert model.features[:3](torch.randn(1, 1, 8, 8)).min() == 0


@pytest.mark.parametrize("task", [-1, 3])
def test_a_task_out_of_range_is_named(task):
    model = el.ByTask([nn.Linear(3, 2) for _ in range(3)])
    with pytest.raises(el.InputError, match=f"task {task} is out of range: the model has parts for 0 to 2"):
        model(torch.zeros(2, 3), torch.tensor([0, task]))


def test_the_conv_net_of_the_paper():
    """3·3·1·64 + 64, three times 3·3·64·64 + 64, 2·64 for each normalisation, and heads on 64 features."""
    plain, model = el.ConvNet([20, 14], normalised=False), el.ConvNet([20, 14])
    assert sum(p.numel() for p in plain.features.parameters()) == 640 + 3 * 36_928
    assert sum(p.numel() for p in model.features.parameters()) == 640 + 3 * 36_928 + 4 * 128
    assert [sum(p.numel() for p in head.parameters()) for head in model.heads.parts] == [65 * 20, 65 * 14]


def test_the_conv_net_sees_the_task():
    model, x = el.ConvNet([2, 3], filters=(4, 4)), torch.rand(2, 1, 28, 28)
    one, other = model(x, torch.tensor([0, 0])), model(x, torch.tensor([0, 1]))
    torch.testing.assert_close(one[0], other[0])
    assert one[1].isinf().tolist() == [False, False, True]
    assert other[1].isfinite().all()


def test_a_row_is_normalised_by_itself():
    """So that a step on one row, a mean over many and a prediction see the same network."""
    model, x = el.ConvNet([3], filters=(4, 12)), torch.rand(5, 1, 28, 28)
    together = model(x, torch.zeros(5, dtype=torch.long))
    each = torch.cat([model(row, torch.zeros(1, dtype=torch.long)) for row in x.split(1)])
    torch.testing.assert_close(together, each)
    torch.testing.assert_close(model.eval()(x, torch.zeros(5, dtype=torch.long)), together)


@pytest.mark.parametrize("filters", [(), (4,) * 5, (0,)])
def test_a_conv_net_that_cannot_be(filters):
    with pytest.raises(el.InputError, match="images of 28 × 28 pixels can't be halved by"):
        el.ConvNet([2], filters)


def test_task_input_shares_all_but_the_first_layer():
    model = el.TaskInputNet([784, 100, 100, 10], tasks=20)
    assert sum(p.numel() for p in model.parameters()) == 20 * 785 * 100 + 101 * 100 + 101 * 10
    assert all(layer.bias.abs().max() == 0 for layer in model.modules() if isinstance(layer, nn.Linear))
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            assert 0.9 < layer.weight.abs().max() * layer.in_features**0.5 <= 1
    x = torch.randn(2, 784)
    output = model(x, torch.tensor([3, 7]))
    torch.testing.assert_close(output[0], model.shared(model.inputs.parts[3](x[0])))


def test_a_task_input_net_needs_a_hidden_layer():
    with pytest.raises(el.InputError, match="needs one that is shared above it"):
        el.TaskInputNet([784, 10], tasks=20)


@pytest.mark.parametrize(
    "make", [lambda seed: el.ConvNet([2], seed=seed), lambda seed: el.TaskInputNet([3, 4, 2], 2, seed=seed)]
)
def test_the_seed_makes_the_weights(make):
    flat = [torch.cat([p.flatten() for p in make(seed).parameters()]) for seed in (0, 0, 1)]
    assert torch.equal(flat[0], flat[1])
    assert not torch.equal(flat[0], flat[2])
