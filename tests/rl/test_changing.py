"""Environments that change: when, how, and what of it is seen."""

import gymnasium
import numpy as np
import pytest

import everlearn as el
from everlearn.rl import SEQUENCES, Changing, FlappyBird, cart_pole, sequence, steps


def lived(env, frames, seed=0):
    """(task, frame) of each truncation, and what was observed."""
    chance, ends, seen = np.random.default_rng(0), [], [env.reset(seed=seed)[0]]
    for _ in range(frames):
        observation, _, terminated, truncated, info = env.step(chance.integers(env.action_space.n))
        assert info == {}
        seen.append(observation)
        if truncated:
            ends.append((env.task, env.frames))
        if terminated or truncated:
            seen.append(env.reset()[0])
    return ends, np.stack(seen)


def test_each_task_is_truncated_once_and_the_next_begins_with_the_reset():
    env = Changing("everlearn/FlappyBird-v0", steps("pipe_gap", [100, 90, 80], 70))
    ends, _ = lived(env, 300)
    assert ends == [(0, 70), (1, 140)]
    assert (env.task, env.frames, env.unwrapped.kind) == (2, 300, FlappyBird(pipe_gap=80))


def test_everything_follows_from_the_seed():
    schedule = steps("pipe_gap", [100, 90], 70)
    one, again, other = (lived(Changing("everlearn/FlappyBird-v0", schedule), 200, seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_the_next_task_follows_from_the_seed_too():
    def second(seed, make="CartPole-v1"):
        env = Changing(make, [(0, {}), (1, {})])
        env.reset(seed=seed)
        env.step(0)
        return env.reset()[0]

    class Own(gymnasium.Env):
        """Its chance is its own, not Gymnasium's."""

        observation_space, action_space = gymnasium.spaces.Box(0, 1, (2,), np.float64), gymnasium.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            return np.random.default_rng(seed).random(2), {}

        def step(self, action):
            return np.zeros(2), 0.0, False, False, {}

    for make in ("CartPole-v1", Own):
        assert np.array_equal(second(0, make), second(0, make))
        assert not np.array_equal(second(0, make), second(1, make))


def test_a_schedule_may_show_its_games_and_trials_do_not():
    env = Changing("everlearn/Catcher-v0", [(0, {"render_mode": "rgb_array"})])
    env.reset(seed=0)
    assert env.render().shape == (640, 640, 3)
    assert env.many(0, 2).num_envs == 2


def test_a_task_that_ends_within_an_episode_of_any_environment():
    env = Changing("CartPole-v1", [(0, {"max_episode_steps": 500}), (3, {"max_episode_steps": 7})])
    env.reset(seed=0)
    assert [env.step(0)[3] for _ in range(3)] == [False, False, True]
    env.reset()
    assert [env.step(i % 2)[3] for i in range(7)] == [False] * 6 + [True]


def test_a_seed_begins_with_the_first_task_again():
    env = Changing("everlearn/FlappyBird-v0", steps("pipe_gap", [100, 90], 30))
    ends, seen = lived(env, 70)
    assert env.task == 1
    again_ends, again = lived(env, 70)
    assert again_ends == ends
    np.testing.assert_array_equal(again, seen)


def test_ones_own_function_makes_the_environments():
    env = Changing(cart_pole, steps("length", [0.5, 2.0], 5))
    env.reset(seed=0)
    assert env.unwrapped.length == 0.5
    for _ in range(5):
        env.step(0)
    env.reset()
    assert (env.unwrapped.length, env.unwrapped.polemass_length) == (2.0, pytest.approx(0.2))
    assert env.make(0).unwrapped.length == 0.5


def test_tasks_at_odds_show_a_cue_and_nothing_else():
    for name in ("catcher-mirrored", "catcher-dodge", "flappy-bird-turned"):
        env = sequence(name)
        (first, *_), _ = env.reset(seed=0)
        assert env.reset(seed=0)[0][-1] == -1
        assert env.make(1).reset(seed=0)[0][-1] == 1
        assert first == sequence(name).reset(seed=0)[0][0]
    assert sequence("catcher-mirrored-untold").observation_space.shape == (4,)
    assert [keywords["mirrored"] for _, keywords in SEQUENCES["catcher-mirrored-again"][1]] == [False, True] * 2


@pytest.mark.parametrize("name", SEQUENCES)
def test_the_sequences_are_of_one_space(name):
    env = sequence(name)
    spaces = {str((one.action_space, one.observation_space)) for one in map(env.make, range(env.tasks))}
    assert len(spaces) == 1
    assert env.tasks == len(SEQUENCES[name][1])


def test_the_papers_tasks():
    assert [keywords["velocity"] for _, keywords in SEQUENCES["catcher"][1]] == pytest.approx(
        [0.608 + 0.03 * task for task in range(6)]
    )
    assert [keywords["pipe_gap"] for _, keywords in SEQUENCES["flappy-bird"][1]] == [100, 95, 90, 85, 80, 75]
    assert [start for start, _ in SEQUENCES["catcher"][1]] == list(range(0, 150_000, 25_000))


@pytest.mark.parametrize("starts", [[], [1], [0, 5, 5], [0, 7, 3]])
def test_a_schedule_goes_up_from_0(starts):
    with pytest.raises(el.InputError, match="a schedule begins at frame 0 and goes up"):
        Changing("CartPole-v1", [(start, {}) for start in starts])


def test_a_task_with_another_space_is_refused_and_the_old_one_stays():
    env = Changing("everlearn/FlappyBird-v0", steps("pixels", [8, 9], 1))
    env.reset(seed=0)
    env.step(0)
    with pytest.raises(el.InputError, match="task 1 has another observation_space"):
        env.reset()
    assert env.task == 0
    assert isinstance(env, gymnasium.Env)
