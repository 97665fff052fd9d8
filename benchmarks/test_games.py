"""How fast the games are played, and a DQN-MER learns them."""

import numpy as np
import pytest
import torch

import everlearn as el
from conftest import seconds
from everlearn.rl import DQN, Catcher, FlappyBird, Game, Games


@pytest.mark.parametrize(("kind", "millions"), [(Catcher(), 2), (FlappyBird(), 1)], ids=["catcher", "flappy-bird"])
def test_frames(kind, millions, claims):
    """1,024 games at once by random actions, against one in Python."""
    many, one = Games(kind, 1024), Game(kind)
    actions = np.random.default_rng(0).integers(many.single_action_space.n, size=(100, 1024))
    many.reset(seed=0)
    one.reset(seed=0)

    def at_once():
        for row in actions:
            many.step(row)

    def alone():
        for action in actions[:, 0]:
            if one.step(action)[2]:
                one.reset()

    compiled, python = seconds(at_once, alone)
    compiled, python = compiled / actions.size, python / len(actions)
    name = type(kind).__name__
    details = f"{compiled * 1e6:.2f} and {python * 1e6:.1f} µs a frame"
    claims(f"{name}: a frame of many games, against one in Python", python / compiled, at_least=25, details=details)
    claims(f"{name}: millions of frames a second", 1e-6 / compiled, at_least=millions, details=details)


def test_dqn_mer(claims):
    """`agent.learn` with 16 transitions replayed, on 64-64 units, against the readable path."""

    def agent():
        network = el.mlp([4, 64, 64, 3])
        method = el.MER(batches=1, replayed=16, beta=1.0, gamma=0.3, add="before")
        made = DQN(
            network, torch.optim.SGD(network.parameters(), lr=0.01), 3, method=method, memory=el.Reservoir(50_000)
        )
        chance = np.random.default_rng(0)
        return made, [chance.normal(size=(2, 4)).astype(np.float32) for _ in range(200)]

    (compiled, rows), (readable, _) = agent(), agent()
    readable.learner.forward = lambda model, batch: model(batch["x"])

    def learn(one, few):
        for seen, following in rows[:few]:
            one.learn(seen, 0, 1.0, following, over=False)

    fast, slow = seconds(lambda: learn(compiled, 200), lambda: learn(readable, 20))
    fast, slow = fast / 200, slow / 20
    assert compiled.learner.path == "compiled"
    details = f"{fast * 1e3:.2f} and {slow * 1e3:.2f} ms a frame"
    claims("DQN-MER learns a frame, against the readable path", slow / fast, at_least=15, details=details)
