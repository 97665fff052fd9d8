"""Films: what is played, and what is in the file."""

import gymnasium
import numpy as np
import pytest
import torch
from PIL import Image

import everlearn as el
from everlearn.rl import DQN, Catcher, Game, film, show


@pytest.fixture
def agent():
    network = el.mlp([4, 8, 3], seed=1)
    return DQN(network, torch.optim.SGD(network.parameters(), 0.1), 3, method=el.Online(), memory=el.Fifo(5))


def test_what_is_shown_is_the_agents_own_play(agent):
    game, again = (
        Game(Catcher(velocity=2.0), render_mode="rgb_array"),
        Game(Catcher(velocity=2.0), render_mode="rgb_array"),
    )
    seen, score = again.reset(seed=3)[0], 0.0
    for picture, told in show(agent, game, 120, seed=3):
        seen, reward, over, _, _ = again.step(int(agent.values(seen[None]).argmax()))
        score += reward
        np.testing.assert_array_equal(picture, again.render())
        assert told == score
        if over:
            seen, score = again.reset()[0], 0.0
    assert agent.frames == 0


def test_a_film(agent, tmp_path):
    film(agent, Game(Catcher(), render_mode="rgb_array"), tmp_path / "deep" / "film.gif", frames=30, height=64, every=3)
    with Image.open(tmp_path / "deep" / "film.gif") as image:
        assert (image.size, image.n_frames, image.info["duration"]) == ((64, 64), 10, 100)
        image.seek(9)
        assert np.asarray(image.convert("L")).max() > 200


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"every": 0}, {"height": 0}])
def test_bad_films(agent, wrong, tmp_path):
    with pytest.raises(el.InputError, match="must be at least 1"):
        film(agent, Game(Catcher(), render_mode="rgb_array"), tmp_path / "film.gif", **wrong)


def test_text_is_no_film(agent, tmp_path):
    with pytest.raises(el.InputError, match="needs an environment with render_mode='rgb_array'"):
        film(agent, Game(Catcher(), render_mode="ansi"), tmp_path / "film.gif")
    assert list(tmp_path.iterdir()) == []


def test_any_environment_with_pictures_can_be_shown():
    network = el.mlp([4, 8, 2])
    agent = DQN(network, torch.optim.SGD(network.parameters(), 0.1), 2, method=el.Online(), memory=el.Fifo(5))
    shown = list(show(agent, gymnasium.make("CartPole-v1"), 30))
    assert max(score for _, score in shown) >= 8
