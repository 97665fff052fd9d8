"""Omniglot as tasks: all drawings, each once, characters one after another."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

import everlearn as el
from everlearn.streams.datasets import load


def test_the_size_that_the_paper_gives():
    stream = el.Omniglot()
    data = load("omniglot")
    drawings = np.bincount(data["alphabet"])
    assert [20 * n for n in stream.classes] == drawings.tolist()
    assert len(stream.classes) == 50
    assert sum(stream.classes) == 1623
    assert stream.length == 1623 * 18 == 29_214


def test_a_task_has_every_drawing_of_its_alphabet_once():
    stream = el.Omniglot(tasks=3, batch_size=1000)
    seen = torch.cat([next(stream.train(2))["x"], stream.test(2)["x"]]).flatten(1)
    data = load("omniglot")
    own = data["alphabet"] == 2
    assert len(seen) == own.sum() == 26 * 20
    expected = [shrunk(image).flatten() for image in data["images"][own]]
    order = np.lexsort(np.array(expected).T)
    found = (seen * 255).numpy()
    np.testing.assert_allclose(found[np.lexsort(found.round().T)], np.array(expected)[order], atol=1e-4)


def shrunk(packed):
    """Each pixel is the mean of those that its place covers, whole or in part; rounded."""
    bits = np.unpackbits(packed)[: 105 * 105].reshape(105, 105)
    bounds = [(math.floor(i * 105 / 28), math.ceil((i + 1) * 105 / 28)) for i in range(28)]
    return np.array([[np.rint(np.float32(bits[a:b, c:d].mean() * 255)) for c, d in bounds] for a, b in bounds])


def test_characters_come_one_after_another():
    stream = el.Omniglot(tasks=1)
    labels = torch.cat([batch["y"] for batch in stream.train(0)])
    assert labels.tolist() == [label for label in range(20) for _ in range(18)]
    assert stream.test(0)["y"].tolist() == [label for label in range(20) for _ in range(2)]


def test_test_drawings_are_drawn_by_lot_and_never_trained_on():
    for seed in (0, 1):
        stream = el.Omniglot(tasks=1, batch_size=360, seed=seed)
        train, test = next(stream.train(0))["x"].flatten(1), stream.test(0)["x"].flatten(1)
        assert torch.cdist(test, train).min() > 0
    one, other = (el.Omniglot(tasks=1, seed=seed).test(0)["x"] for seed in (0, 1))
    assert not torch.equal(one, other)


def test_drawings_of_a_character_come_in_an_order_that_the_seed_shuffles():
    orders = []
    for seed in (0, 1):
        drawings = el.Omniglot(tasks=1, seed=seed)._drawings(0)[0][0]
        first = int(drawings.min())
        order = (drawings - first).tolist()
        assert sorted(order) == list(range(20))
        steps = {(b - a) % 20 for a, b in pairwise(order)}
        assert len(steps) > 5
        orders.append(order)
    assert orders[0] != orders[1]


def test_ink_may_be_black():
    white, black = el.Omniglot(tasks=1).test(0)["x"], el.Omniglot(tasks=1, ink="black").test(0)["x"]
    torch.testing.assert_close(white, 1 - black)
    assert white.mean() < 0.2


def test_alphabets_may_come_in_random_order():
    stream = el.Omniglot(shuffled=True)
    assert stream.classes != el.Omniglot().classes
    assert sorted(stream.classes) == sorted(el.Omniglot().classes)
    assert len(stream.test(0)["y"]) == 2 * stream.classes[0]
    few = el.Omniglot(tasks=5, shuffled=True)
    assert few.classes != el.Omniglot(tasks=5).classes
    assert sorted(few.classes) == sorted(el.Omniglot(tasks=5).classes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tasks": 51}, "50 alphabets"),
        ({"held_out": 20}, "20 drawings"),
        ({"ink": "red"}, "not 'red'"),
        ({"tasks": 0}, "tasks"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(el.InputError, match=message):
        el.Omniglot(**settings)
