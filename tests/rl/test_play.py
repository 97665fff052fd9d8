"""A life: what happens in which frame, trials on the side, and going on after a break."""

import time
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch
from torch import nn

import everlearn as el
from everlearn.rl import DQN, Changing, Epsilon, cart_pole, steps
from everlearn.rl.play import Episode, Frame, Trial, Trials, live, try_all

CATCHER = ("everlearn/Catcher-v0", steps("velocity", [0.608, 1.2], 150))


def make(seed=0, inputs=4, actions=3):
    network = el.mlp([inputs, 8, actions], seed=1)
    sgd = torch.optim.SGD(network.parameters(), lr=0.05)
    method = el.MER(batches=1, replayed=4, beta=1.0, gamma=0.3, add="before")
    return DQN(network, sgd, actions, method=method, memory=el.Reservoir(100), epsilon=Epsilon(1, 0.1, 200), seed=seed)


def flat(agent):
    return nn.utils.parameters_to_vector(agent.learner.model.parameters()).detach()


def test_frames_episodes_and_trials():
    events = list(live(make(), Changing(*CATCHER), 400, trials=Trials(every=100, episodes=3, limit=60)))
    frames, episodes, tried = ([e for e in events if isinstance(e, kind)] for kind in (Frame, Episode, Trial))
    assert [event.frame for event in frames] == list(range(1, 401))
    assert [event.task for event in frames] == [0] * 150 + [1] * 250
    assert [event.frame for event in tried] == [100, 200, 300, 400]
    assert all(np.shape(event.scores) == (2, 3) for event in tried)
    ends = [event.frame for event in episodes]
    assert 150 in ends
    assert [event.frames for event in episodes] == np.diff([0, *ends]).tolist()
    assert [score for event in tried for score in event.trained] == [
        event.score for event in episodes if event.frame <= 400
    ]
    for event in episodes:
        own = [frame.reward for frame in frames if event.frame - event.frames < frame.frame <= event.frame]
        assert event.score == sum(own)


def test_trials_change_nothing():
    tried, not_tried = make(), make()
    list(live(tried, Changing(*CATCHER), 120, trials=Trials(every=10, episodes=2, limit=20)))
    list(live(not_tried, Changing(*CATCHER), 120, trials=Trials(every=0)))
    assert torch.equal(flat(tried), flat(not_tried))
    assert tried.frames == not_tried.frames == 120


def test_each_life_is_tried_in_episodes_of_its_own():
    trials = Trials(every=3, episodes=4, limit=300)
    agent = make()
    for seed in (0, 2):
        *_, tried = (event for event in live(agent, Changing(*CATCHER), 3, trials=trials, seed=seed))
        assert tried.scores == try_all(agent, Changing(*CATCHER), replace(trials, seed=1_000_000 + 1_000 * seed))[0]


def test_a_trial_counts_what_single_games_give():
    agent, env = make(), Changing(*CATCHER)
    found = try_all(agent, env, Trials(episodes=4, limit=200, seed=7))
    for task in range(2):
        scores, gained, lost = [], 0, 0
        for i in range(4):
            game = env.make(task)
            seen, _ = game.reset(seed=7 + i)
            rewards = []
            for _ in range(200):
                seen, reward, over, _, _ = game.step(int(agent.values(seen[None]).argmax()))
                rewards.append(reward)
                if over:
                    break
            scores.append(sum(rewards))
            gained, lost = gained + sum(r > 0 for r in rewards), lost + sum(r < 0 for r in rewards)
        assert tuple(part[task] for part in found) == (scores, gained, lost)


def test_any_environment_can_be_tried():
    env = Changing(cart_pole, steps("length", [0.5, 1.0], 50))
    assert np.shape(try_all(make(inputs=4, actions=2), env, Trials(episodes=3, limit=30))[0]) == (2, 3)


@pytest.mark.parametrize("break_at", [50, 150])
def test_a_life_goes_on_as_if_it_had_not_stopped(break_at):
    def told(events):
        """All but the seconds."""
        return [
            replace(event, living=0, trying=0) if isinstance(event, Trial) else event
            for event in events
            if not isinstance(event, Frame)
        ]

    whole, trials = make(), Trials(every=50, episodes=2, limit=30)
    events = list(live(whole, Changing(*CATCHER), 300, trials=trials, seed=3))
    first, second = make(), make(seed=8)
    before = list(live(first, Changing(*CATCHER), break_at, trials=trials, seed=3))
    second.load_state_dict(first.state_dict())
    actions = [event.action for event in before if isinstance(event, Frame)]
    after = list(live(second, Changing(*CATCHER), 300, trials=trials, seed=3, lived=actions))
    assert told(before) + told(after) == told(events)
    assert torch.equal(flat(second), flat(whole))


class Scripted(gymnasium.Env):
    """Episodes of three frames; every other one ends, the others are cut off. It has one array for all that is seen."""

    observation_space = gymnasium.spaces.Box(-1e6, 1e6, (4,), np.float64)
    action_space = gymnasium.spaces.Discrete(3)

    def __init__(self):
        self.seen, self.frames = np.zeros(4), 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seen += 100
        return self.seen, {}

    def step(self, action):
        self.frames += 1
        self.seen += 1
        ends, is_cut = self.frames % 3 == 0, self.frames % 6 == 0
        return self.seen, float(self.frames), ends and not is_cut, ends and is_cut, {}


class Listener:
    """An agent that notes what it is to learn."""

    actions, frames, epsilon = 3, 0, staticmethod(lambda frame: 0.5)

    def __init__(self):
        self.told = []

    def act(self, seen):
        return int(seen[0]) % 3

    def values(self, seen):
        return torch.zeros(len(seen), 3)

    def learn(self, seen, action, reward, following, *, over):
        self.told.append((seen, action, reward, following, over))
        self.frames += 1


def test_what_is_learned_of_a_frame_that_ends_or_is_cut_off():
    """An end has nothing after it; a time limit, and a task's end, have."""
    agent = Listener()
    list(live(agent, Changing(Scripted, [(0, {}), (8, {})]), 13, trials=Trials(every=0)))
    seen = [100, 101, 102, 203, 204, 205, 306, 307, 100, 101, 102, 203, 204]
    assert [int(one[0][0]) for one in agent.told] == seen
    assert [int(one[3][0]) for one in agent.told] == [one + 1 for one in seen]
    assert [one[1] for one in agent.told] == [one % 3 for one in seen]
    assert [one[2] for one in agent.told] == [*range(1, 9), *range(1, 6)]
    assert [i for i, one in enumerate(agent.told) if one[4]] == [2, 10]


def test_an_agent_asks_for_its_own_frame_s_epsilon():
    agent, asked = make(), []
    agent.epsilon = lambda frame: asked.append(frame) or 0.0
    agent.frames = 7
    agent.act(np.zeros(4))
    assert asked == [7]


def test_what_comes_after_a_trial_s_cut_does_not_count():
    env = Changing("CartPole-v1", [(0, {"max_episode_steps": 5})])
    assert try_all(make(actions=2), env, Trials(episodes=3, limit=40)) == ([[5.0] * 3], [15], [0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((gymnasium.make("CartPole-v1"), 5), "an agent lives in a Changing environment: Changing"),
        ((Changing(*CATCHER), -5), "frames must be at least 0"),
        ((Changing("everlearn/Catcher-v0", [(0, {}), (9, {"stack": 2})]), 5), "task 1 has another observation_space"),
    ],
)
def test_what_can_not_be_is_refused_before_the_first_frame(given, message):
    agent = make()
    with pytest.raises(el.InputError, match=message):
        next(live(agent, *given))
    assert agent.frames == 0


def test_another_agent_does_not_go_on_with_a_life():
    with pytest.raises(el.InputError, match="the agent is 0 frames old, not 3"):
        next(live(make(), Changing(*CATCHER), 9, lived=[0, 1, 2]))


@pytest.mark.parametrize("seen", [{"a": 1.0}, "text"])
def test_what_no_network_takes_is_refused(seen):
    class Told(Odd):
        action_space = gymnasium.spaces.Discrete(3)

        def reset(self, *, seed=None, options=None):
            return seen, {}

    with pytest.raises(el.InputError, match="the network does not take what is observed"):
        next(live(make(), Changing(Told, [(0, {})]), 1))


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ("Pendulum-v1", "a DQN chooses among actions that can be counted from 0; this environment has Box"),
        ("CartPole-v1", "the agent has 3 actions, the environment 2"),
    ],
)
def test_bad_environments(env, message):
    with pytest.raises(el.InputError, match=message):
        next(live(make(), Changing(env, [(0, {})]), 1))


def test_an_environment_that_breaks_leaves_the_agent_as_it_was():
    class Breaks(gymnasium.Wrapper):
        def step(self, action):
            if agent.frames == 5:
                raise RuntimeError("the wheel came off")
            return self.env.step(action)

    agent = make()
    life = live(agent, Changing(lambda: Breaks(gymnasium.make("everlearn/Catcher-v0")), [(0, {})]), 20)
    with pytest.raises(RuntimeError, match="the wheel came off"):
        list(life)
    assert agent.frames == len(agent.learner.memory) == 5


class Odd(gymnasium.Env):
    """Actions from 1 on."""

    observation_space = gymnasium.spaces.Box(-1, 1, (4,))
    action_space = gymnasium.spaces.Discrete(3, start=1)


def test_actions_are_counted_from_0():
    with pytest.raises(el.InputError, match="can be counted from 0"):
        next(live(make(), Changing(Odd, [(0, {})]), 1))


def odd_outputs():
    network = el.mlp([4, 5])
    return DQN(network, torch.optim.SGD(network.parameters(), 0.1), 3, method=el.Online(), memory=el.Fifo(5))


@pytest.mark.parametrize(
    ("agent", "message"),
    [
        (lambda: make(inputs=5), r"does not take what is observed, of shape \(4,\)"),
        (odd_outputs, r"one row's 3 actions values of shape \(1, 3\), not \(1, 5\)"),
    ],
)
def test_a_network_of_another_size_is_refused_before_the_first_frame(agent, message):
    with pytest.raises(el.InputError, match=message):
        next(live(agent(), Changing(*CATCHER), 1))


def test_there_is_a_trial_at_the_end_too():
    events = list(live(make(), Changing(*CATCHER), 70, trials=Trials(every=50, episodes=1, limit=5)))
    assert [event.frame for event in events if isinstance(event, Trial)] == [50, 70]


def test_living_counts_neither_the_replay_nor_what_the_listener_does():
    first, second = make(), make()
    before = list(live(first, Changing(*CATCHER), 100, trials=Trials(every=50, episodes=1, limit=5)))
    second.load_state_dict(first.state_dict())
    actions = [event.action for event in before if isinstance(event, Frame)]
    slow = Changing(lambda **keywords: Slow(gymnasium.make("everlearn/Catcher-v0", **keywords)), CATCHER[1])
    living = []
    for event in live(second, slow, 102, trials=Trials(every=101, episodes=1, limit=1), lived=actions):
        if isinstance(event, Trial):
            living.append(event.living)
            time.sleep(0.3)
    assert len(living) == 2
    assert max(living) < 0.2


class Slow(gymnasium.Wrapper):
    """5 ms a frame."""

    def step(self, action):
        time.sleep(0.005)
        return self.env.step(action)


@pytest.mark.parametrize("wrong", [{"every": -1}, {"episodes": 0}, {"limit": 0}])
def test_bad_trials(wrong):
    with pytest.raises(el.InputError, match="must be at least"):
        Trials(**wrong)
