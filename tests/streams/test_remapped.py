"""Rotations and Permutations: the paper's data, from the raw images on the fly."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import everlearn as el
from everlearn.streams.datasets import load
from everlearn.streams.rotated import turned


@given(st.floats(0, 180, exclude_max=True))
def test_turning_gives_pillows_pixels(angle):
    image = (np.arange(784) % 255 + 1).astype(np.uint8)
    expected = np.asarray(Image.fromarray(image.reshape(28, 28)).rotate(angle)).ravel()
    np.testing.assert_array_equal(np.append(image, 0)[turned(angle).numpy()], expected)


def test_each_task_turns_by_an_angle_of_its_own_bin():
    stream = el.Rotations(seed=4)
    angles = [stream.angle(task) for task in range(20)]
    assert all(9 * task <= angle < 9 * (task + 1) for task, angle in enumerate(angles))
    assert len({round(angle % 9, 6) for angle in angles}) == 20
    assert angles != [el.Rotations(seed=5).angle(task) for task in range(20)]


def test_training_images_are_a_subset_turned_and_scaled():
    stream = el.Rotations(tasks=3, examples=5, seed=2)
    arrays = load("mnist")
    batches = list(stream.train(1))
    assert [len(batch["x"]) for batch in batches] == [1] * 5
    for batch in batches:
        assert batch["x"].dtype == torch.float32
        found = [
            i
            for i in np.flatnonzero(arrays["train_labels"] == batch["y"].item())
            if np.array_equal(
                np.append(arrays["train_images"][i].ravel(), 0)[turned(stream.angle(1)).numpy()],
                (batch["x"][0] * 255).round().numpy(),
            )
        ]
        assert len(found) == 1


def test_test_sets_are_whole_and_moved_as_the_training_images_are():
    stream, arrays = el.Permutations(tasks=2, examples=1), load("mnist")
    test = stream.test(1)
    assert test["x"].shape == (10_000, 784)
    assert (test["y"].numpy() == arrays["test_labels"]).all()
    pixels = stream.pixels(1)
    np.testing.assert_array_equal(
        (test["x"][1234] * 255).round().numpy(), arrays["test_images"][1234].ravel()[pixels.numpy()]
    )


def test_every_permutation_is_a_permutation_and_the_first_is_one_too():
    stream = el.Permutations(seed=1)
    orders = [stream.pixels(task) for task in range(20)]
    assert all(torch.equal(order.sort().values, torch.arange(784)) for order in orders)
    assert len({tuple(order.tolist()) for order in orders}) == 20
    assert not torch.equal(orders[0], torch.arange(784))


def test_a_stream_follows_from_its_seed_alone():
    def first(seed):
        return next(iter(el.Rotations(examples=1, seed=seed)))["x"]

    torch.manual_seed(1)
    one = first(7)
    torch.manual_seed(2)
    assert torch.equal(one, first(7))
    assert not torch.equal(one, first(8))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: el.Rotations(tasks=0), "tasks must be at least 1"),
        (lambda: el.Permutations(examples=0), "examples must be at least 1"),
        (lambda: el.Permutations(seed=-1), "seed must be at least 0"),
        (lambda: list(el.Rotations(examples=60_001)), "examples must be at most 60000"),
        (lambda: el.Rotations(data="mnits"), "data must be one of mnist, fashion-mnist, not 'mnits'"),
    ],
)
def test_bad_settings_are_refused_by_name(make, message):
    with pytest.raises(el.InputError, match=message):
        make()


def test_as_many_test_sets_as_tasks():
    with pytest.raises(el.InputError, match="1 tasks to train and 0 to test"):
        el.Tasks(training=[[]], testing=[])
