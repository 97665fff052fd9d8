"""McCloskey and Cohen's addition facts: the sets, the coding, and what was forgotten."""

from statistics import fmean

import pytest
import torch

from everlearn.story import addition
from everlearn.story.addition import accuracy, answer, course, facts, ones, twos, with_mer, without


def test_the_facts():
    assert len(set(ones())) == len(set(twos())) == 17
    assert set(ones()) & set(twos()) == {(1, 2), (2, 1)}
    assert {a + b for a, b in ones()} == set(range(2, 11))
    assert {a + b for a, b in ones() + twos()} == set(addition.ANSWERS)


def test_the_coding():
    batch = facts([(9, 2)])
    assert batch["x"].shape == (1, 28)
    assert batch["x"][0].nonzero()[:, 0].tolist() == [9, 10, 11, 12, 13, 16 + 2, 16 + 3, 16 + 4]
    assert batch["y"].shape == (1, 24)
    on = (batch["y"][0] > 0.5).nonzero()[:, 0].tolist()
    assert on == [1, 2, 3, 12 + 1, 12 + 2, 12 + 3]  # 11: a one and a one.
    assert batch["y"].unique().tolist() == pytest.approx([0.1, 0.9])


def test_the_nearest_answer_counts():
    class Says:
        def predict(self, batch):
            return torch.stack([answer(4) + 0.2, answer(7) - 0.1])

    assert accuracy(Says(), facts([(3, 1), (3, 1)])) == 0.5


def test_a_step_is_back_propagation_with_momentum():
    """Worked again from the delta rule: rate 0.25, momentum 0.9."""
    learner, row = without(0), facts([(3, 1)])
    first, second = learner.model[0], learner.model[2]
    weights = {name: p.detach().double() for name, p in learner.model.named_parameters()}
    velocity = {name: torch.zeros_like(p) for name, p in weights.items()}
    for _ in range(3):
        x, y = row["x"].double(), row["y"].double()
        hidden = torch.sigmoid(x @ weights["0.weight"].T + weights["0.bias"])
        output = torch.sigmoid(hidden @ weights["2.weight"].T + weights["2.bias"])
        delta = (output - y) * output * (1 - output)
        below = delta @ weights["2.weight"] * hidden * (1 - hidden)
        for name, gradient in {
            "2.weight": delta.T @ hidden, "2.bias": delta[0], "0.weight": below.T @ x, "0.bias": below[0],
        }.items():  # fmt: skip
            velocity[name] = 0.9 * velocity[name] + gradient
            weights[name] = weights[name] - 0.25 * velocity[name]
        learner.learn(row)
    torch.testing.assert_close(second.weight.double(), weights["2.weight"], atol=1e-6, rtol=0)
    torch.testing.assert_close(first.bias.double(), weights["0.bias"], atol=1e-6, rtol=0)


def test_ones_are_forgotten_as_another_program_found():
    """20 networks of a NumPy program: 39 passes; then 47, 34, 24 % of the ones after 1, 2, 3 passes, 13 % after 20."""
    courses = [course(False, seed) for seed in range(8)]
    assert 30 < fmean(one.before for one in courses) < 50
    left = [fmean(one.ones[n] for one in courses) for n in (0, 1, 2, 3, 20)]
    assert left[0] == 1
    for found, theirs in zip(left[1:], (0.47, 0.34, 0.24, 0.13), strict=True):
        assert abs(found - theirs) < 0.15
    assert fmean(one.twos[20] for one in courses) > 0.98


def test_with_mer_the_ones_stay_and_the_twos_come():
    one = course(True, 3)
    assert min(one.ones) > 0.75
    assert one.ones[-1] > 0.9
    assert one.twos[-1] > 0.9
    assert with_mer(3).memory.capacity == 100
