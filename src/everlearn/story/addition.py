"""Amnesia: a network learns the ones of the addition table, then the twos, and forgets the ones.

McCloskey and Cohen 1989, Psychology of Learning and Motivation 24:109-165. The two sets of facts, and that
ones accuracy fell from 100 % to 57 % after one pass through the twos and to 30 % after two, are as others
quote that chapter. The network and its training (28 inputs, 50 hidden and 24 output units, all logistic;
three neighbouring units for a digit; targets of 0.1 and 0.9; steps on single facts at a rate of 0.25 with
a momentum of 0.9; the answer nearest to the output counts) are as they are recalled, unverified.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from everlearn.chance import generator
from everlearn.learner import Learner
from everlearn.memory import Reservoir
from everlearn.methods import MER, Online
from everlearn.types import Batch

DIGIT, OPERATION, HIDDEN = 12, 4, 50
ANSWERS = range(2, 12)
LOW, HIGH = 0.1, 0.9


def ones() -> list[tuple[int, int]]:
    """1+1 … 9+1 and 1+2 … 1+9: 17 facts."""
    return [(n, 1) for n in range(1, 10)] + [(1, n) for n in range(2, 10)]


def twos() -> list[tuple[int, int]]:
    """1+2 … 9+2 and 2+1, 2+3 … 2+9: 17 facts, of which 1+2 and 2+1 are ones too."""
    return [(n, 2) for n in range(1, 10)] + [(2, n) for n in range(1, 10) if n != 2]


def digit(value: int) -> Tensor:
    """(12,) three neighbouring units for a digit.

    >>> digit(1).tolist()
    [0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    return torch.zeros(DIGIT).index_fill_(0, torch.arange(value, value + 3), 1.0)


def answer(value: int) -> Tensor:
    """(24,) what the output should be: the tens' digit and the ones' digit, 0.9 for on and 0.1 for off."""
    return LOW + (HIGH - LOW) * torch.cat([digit(value // 10), digit(value % 10)])


def facts(pairs: list[tuple[int, int]]) -> Batch:
    """Addition problems and their answers: x (facts, 28), y (facts, 24), answer (facts,)."""
    plus = torch.tensor([1.0, 1.0, 0.0, 0.0])
    return {
        "x": torch.stack([torch.cat([digit(a), plus, digit(b)]) for a, b in pairs]),
        "y": torch.stack([answer(a + b) for a, b in pairs]),
        "answer": torch.tensor([a + b for a, b in pairs]),
    }


def network(seed: int) -> nn.Module:
    """28-50-24 logistic units, weights and biases uniform up to 0.3 either way."""
    chance = generator(seed, "addition")
    model = nn.Sequential(
        nn.Linear(2 * DIGIT + OPERATION, HIDDEN), nn.Sigmoid(), nn.Linear(HIDDEN, 2 * DIGIT), nn.Sigmoid()
    )
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.3, 0.3, generator=chance)
    return model


def half_square(output: Tensor, batch: Batch) -> Tensor:
    """Half the squared error of each fact, summed over the units."""
    return ((output - batch["y"]) ** 2).sum(1) / 2


def accuracy(learner: Learner, batch: Batch) -> float:
    """The share of facts whose right answer is the nearest one to the output."""
    answers = torch.stack([answer(value) for value in ANSWERS])
    nearest = torch.cdist(learner.predict(batch), answers).argmin(1) + ANSWERS[0]
    return (nearest == batch["answer"]).float().mean().item()


@dataclass(frozen=True)
class Course:
    """How one network fared."""

    before: int
    """Passes through the ones until no unit was off by more than 0.1."""
    ones: list[float]
    """Share of the ones facts that are right, before the twos began and after each pass through them."""
    twos: list[float]
    """Of the twos facts."""


def without(seed: int) -> Learner:
    """Plain back-propagation, as in 1989."""
    model = network(seed)
    return Learner(model, torch.optim.SGD(model.parameters(), lr=0.25, momentum=0.9), half_square, method=Online())


def with_mer(seed: int) -> Learner:
    """The same network with MER and a memory of 100 of the facts that came, repeats and all."""
    model = network(seed)
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    method = MER(batches=3, replayed=10, beta=0.5)
    return Learner(model, sgd, half_square, memory=Reservoir(100, seed=seed), method=method, seed=seed)


def course(mer: bool, seed: int, passes: int = 20) -> Course:
    """The ones until they are learned, then so many passes through the twos, in random order each.

    Args:
        mer: whether the network learns with MER.
        seed: of the weights and the orders.
        passes: through the twos.
    """
    learner, chance = (with_mer if mer else without)(seed), generator(seed, "order of facts")
    first, second = facts(ones()), facts(twos())
    before = 0
    while (learner.predict(first) - first["y"]).abs().max() > 0.1 and before < 200:
        _pass(learner, first, chance)
        before += 1
    right = [(accuracy(learner, first), accuracy(learner, second))]
    for _ in range(passes):
        _pass(learner, second, chance)
        right.append((accuracy(learner, first), accuracy(learner, second)))
    return Course(before, [one for one, _ in right], [two for _, two in right])


def _pass(learner: Learner, batch: Batch, chance: torch.Generator) -> None:
    for row in torch.randperm(len(batch["x"]), generator=chance).tolist():
        learner.learn({name: values[row : row + 1] for name, values in batch.items()})
