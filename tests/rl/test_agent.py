"""The DQN: its targets and steps by hand, a game that it must solve, and going on as if it had not stopped."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

import everlearn as el
from everlearn.rl import DQN, Changing, Epsilon, steps

MER = el.MER(batches=1, replayed=4, beta=1.0, gamma=0.3, add="before")


def make(method=None, *, memory=None, widths=(3, 5, 2), lr=0.1, forward=None, **options):
    network = el.mlp(widths, seed=1).double()
    agent = DQN(
        network,
        torch.optim.SGD(network.parameters(), lr=lr),
        widths[-1],
        method=method or el.Online(),
        memory=el.Reservoir(20) if memory is None else memory,
        **options,
    )
    if forward is not None:
        agent.learner.forward = forward
    return agent


def frame(seed, size=3):
    chance = np.random.default_rng(seed)
    seen, following = chance.normal(size=(2, size))
    return seen, int(chance.integers(2)), float(chance.normal()), following, {"over": bool(chance.random() < 0.2)}


def learn(agent, seed):
    *given, over = frame(seed)
    return agent.learn(*given, **over)


def flat(agent):
    return nn.utils.parameters_to_vector(agent.learner.model.parameters()).detach()


@pytest.mark.parametrize("over", [False, True])
def test_a_step_by_hand(over):
    """A linear network of one input, values (x, 2x): Q(s, 1) goes towards r + ½ max Q(s'), or r at the end."""
    network = nn.Sequential(nn.Linear(1, 2)).double()
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0], [2.0]]))
        network[0].bias.zero_()
    sgd = torch.optim.SGD(network.parameters(), lr=0.1)
    agent = DQN(network, sgd, 2, method=el.Online(), memory=el.Fifo(5), discount=0.5)
    loss = agent.learn(np.array([0.5]), 1, 0.25, np.array([0.75]), over=over)
    error = 1.0 - (0.25 + (0 if over else 0.5 * 1.5))
    assert loss.item() == pytest.approx(error**2 / 2)
    assert network[0].weight.flatten().tolist() == pytest.approx([1.0, 2.0 - 0.1 * error * 0.5])
    assert network[0].bias.tolist() == pytest.approx([0.0, -0.1 * error])


def test_rewards_are_cut_before_they_are_learned():
    one, other = make(clip=1.0), make(clip=5.0)
    for agent, reward in ((one, 7.0), (other, 1.0)):
        agent.learn(np.ones(3), 0, reward, np.ones(3), over=True)
    assert torch.equal(flat(one), flat(other))


def test_the_targets_are_of_the_network_as_it_was():
    agent = make(target_every=3, lr=0.5)
    kept = deepcopy(agent.learner.model)
    batch = {
        "x": torch.zeros(1, 3),
        "action": torch.tensor([0]),
        "reward": torch.zeros(1).double(),
        "discount": torch.ones(1).double(),
        "next": torch.ones(1, 3),
    }
    for seed in range(5):
        target = agent.learner.prepared(batch)["target"]
        assert target.item() == pytest.approx(kept(batch["next"].double()).max().item())
        learn(agent, seed)
        if agent.frames == 3:
            kept = deepcopy(agent.learner.model)


def test_dqn_mer_is_algorithm_8():
    """Riemer et al. 2019, with the draws of the memory repeated."""
    agent, lr = make(MER, lr=0.2, target_every=10**6), 0.2
    frozen = deepcopy(agent.learner.model)
    for seed in range(15):
        *given, over = frame(seed)
        theta, twin = deepcopy(agent.learner.model), deepcopy(agent.learner.memory)
        agent.learn(*given, **over)
        row = {name: values[-1:] for name, values in _rows(agent, given, over["over"]).items()}
        twin.add(row)
        drawn = twin.sample(4)
        began = nn.utils.parameters_to_vector(theta.parameters()).detach().clone()
        for one in [
            row,
            *({name: values[i : i + 1] for name, values in drawn.items()} for i in range(len(drawn["x"]))),
        ]:
            with torch.no_grad():
                target = one["reward"] + one["discount"] * frozen(one["next"]).max()
            loss = nn.functional.huber_loss(theta(one["x"])[0, one["action"]], target)
            for p, g in zip(theta.parameters(), torch.autograd.grad(loss, list(theta.parameters())), strict=True):
                p.data -= lr * g
        expected = began + 0.3 * (nn.utils.parameters_to_vector(theta.parameters()).detach() - began)
        torch.testing.assert_close(flat(agent), expected, rtol=0, atol=1e-12)


def _rows(agent, given, over):
    seen, action, reward, following = given
    return {
        "x": torch.tensor(seen)[None],
        "action": torch.tensor([action]),
        "reward": torch.tensor([reward], dtype=torch.float64).clamp(-1, 1),
        "discount": torch.tensor([0.0 if over else agent.discount], dtype=torch.float64),
        "next": torch.tensor(following)[None],
    }


@pytest.mark.parametrize("method", [MER, el.ER(4), el.MERBig(replayed=3)])
def test_both_paths_agree(method):
    compiled, readable = make(method), make(method, forward=lambda model, batch: model(batch["x"]))
    for seed in range(60):
        losses = [learn(agent, seed) for agent in (compiled, readable)]
        torch.testing.assert_close(*losses, rtol=0, atol=1e-9)
    torch.testing.assert_close(flat(compiled), flat(readable), rtol=0, atol=1e-9)
    assert (compiled.learner.path, readable.learner.path[:8]) == ("compiled", "readable")


def test_epsilon():
    epsilon = Epsilon(0.8, 0.2, frames=60)
    assert [epsilon(n) for n in (0, 30, 60, 10**6)] == pytest.approx([0.8, 0.5, 0.2, 0.2])
    agent = make(epsilon=Epsilon(0.5, 0.5))
    seen = np.ones(3)
    best = int(agent.values(seen[None]).argmax())
    share = np.mean([agent.act(seen) == best for _ in range(4000)])
    assert share == pytest.approx(0.75, abs=0.03)
    assert {make(epsilon=Epsilon(0.0, 0.0)).act(seen) for _ in range(20)} == {best}


def test_it_learns_nothing_before_it_begins_but_remembers():
    agent = make(el.ER(2), begin=4)
    before = flat(agent)
    assert [learn(agent, seed) for seed in range(4)] == [None] * 4
    assert torch.equal(flat(agent), before)
    assert (len(agent.learner.memory), agent.frames) == (4, 4)
    assert learn(agent, 4) is not None


@pytest.mark.parametrize("method", [el.ER(16), el.MER(batches=1, replayed=16, beta=1.0, gamma=0.3, add="before")])
def test_it_solves_a_corridor(method):
    """Five places in a row; going right pays 1 at the end, left pays .1 at the beginning at once."""
    agent = make(
        method, widths=(5, 24, 2), lr=0.1, memory=el.Reservoir(500), epsilon=Epsilon(1.0, 0.3, 500), discount=0.9
    )
    chance, place = np.eye(5), 1
    for _ in range(1500):
        action = agent.act(chance[place])
        following = place + (1 if action else -1)
        reward, over = {4: (1.0, True), 0: (0.1, True)}.get(following, (0.0, False))
        agent.learn(chance[place], action, reward, chance[following], over=over)
        place = 1 if over else following
    values = agent.values(chance[1:4])
    torch.testing.assert_close(values[:, 1], torch.tensor([0.81, 0.9, 1.0]).double(), rtol=0, atol=0.08)
    assert values.argmax(1).tolist() == [1, 1, 1]


def test_bytes_are_learned_as_numbers_from_0_to_1():
    one, other = make(lr=0.3), make(lr=0.3)
    seen, following = np.array([0, 51, 255], np.uint8), np.array([255, 0, 102], np.uint8)
    one.learn(seen, 0, 1.0, following, over=False)
    other.learn(seen / 255, 0, 1.0, following / 255, over=False)
    torch.testing.assert_close(flat(one), flat(other))


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("method", [MER, el.ER(4)])
def test_a_resumed_agent_goes_on_as_if_it_had_never_stopped(method, on_disk, tmp_path):
    def lived(break_at):
        path = tmp_path / f"broken at {break_at}" if on_disk else None
        settings = {"widths": (4, 8, 2), "target_every": 7, "epsilon": Epsilon(1.0, 0.2, 50)}
        env = Changing("CartPole-v1", steps("max_episode_steps", [20, 30], 60))
        agent = make(method, memory=el.Reservoir(20, path=path), **settings)
        seen, _ = env.reset(seed=0)
        done = []
        for n in range(120):
            if n == break_at:
                agent.save(tmp_path / "agent")
                agent.learner.memory.close()
                agent = make(method, memory=el.Reservoir(20, path=path), seed=9, **settings)
                agent.load(tmp_path / "agent")
            done.append(agent.act(seen))
            following, reward, terminated, truncated, _ = env.step(done[-1])
            agent.learn(seen, done[-1], reward, following, over=terminated)
            seen = env.reset()[0] if terminated or truncated else following
        return done, flat(agent)

    (acts, weights), (acts_again, weights_again) = lived(None), lived(45)
    assert acts == acts_again
    assert torch.equal(weights, weights_again)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Epsilon(0.1, 0.5), "from 0.1 to|epsilon goes from first down to last"),
        (lambda: Epsilon(frames=0), "frames must be at least 1"),
        (lambda: make(target_every=0), "target_every must be at least 1"),
        (lambda: make(clip=0.0), "clip must be above 0"),
        (lambda: make(discount=-0.1), "discount must be at least 0"),
        (
            lambda: make().learn(np.ones(3), 0, float("nan"), np.ones(3), over=False),
            "the reward must be a number, not nan",
        ),
        (lambda: make().learn(np.array([1, np.nan, 1]), 0, 0.0, np.ones(3), over=False), "'x' holds NaN"),
        (lambda: make().learn(np.ones(3), 5, 0.0, np.ones(3), over=False), "whole numbers from 0 to 1, not 5"),
        (lambda: make().learn(np.ones(3), 0.5, 0.0, np.ones(3), over=False), "whole numbers from 0 to 1, not 0.5"),
        (lambda: make().learn(np.ones(3), 0, None, np.ones(3), over=False), "the reward must be a number, not None"),
        (lambda: make().learn(np.ones(3), 0, float("inf"), np.ones(3), over=False), "the reward is inf"),
        (lambda: make(begin=9).learn(np.ones(4), 0, 0.0, np.ones(4), over=False), "does not take what is observed"),
        (lambda: make().load_state_dict({}), "this is not the state of a DQN"),
        (lambda: make().load_state_dict(None), "this is not the state of a DQN"),
        (lambda: make().load_state_dict(make(widths=(3, 6, 2)).state_dict()), "the saved model is another"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises(el.InputError, match=message):
        wrong()


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    agent = make()
    agent.save(tmp_path / "agent")
    before = (tmp_path / "agent").read_bytes()
    with torch.no_grad():
        agent.learner.model[0].weight[0, 0] = float("nan")
    with pytest.raises(el.Diverged, match="it was not saved over"):
        agent.save(tmp_path / "agent")
    assert (tmp_path / "agent").read_bytes() == before


def test_rewards_are_left_as_they_are_where_the_cut_is_infinite():
    one, other = make(clip=float("inf")), make(clip=6.0)
    for agent in (one, other):
        agent.learn(np.ones(3), 0, -6.0, np.ones(3), over=True)
    assert torch.equal(flat(one), flat(other))


def test_a_frame_that_is_refused_is_as_if_it_had_not_been():
    agent = make(el.ER(2))
    learn(agent, 0)
    before = flat(agent)
    with pytest.raises(el.InputError):
        agent.learn(np.ones(3), 0, float("inf"), np.ones(3), over=False)
    assert (agent.frames, len(agent.learner.memory)) == (1, 1)
    assert torch.equal(flat(agent), before)


@pytest.mark.parametrize(
    ("part", "value"), [("target", {}), ("target", None), ("generator", 3), ("frames", "x"), ("frames", -1)]
)
def test_a_state_with_a_foreign_part_changes_nothing(part, value):
    network = el.mlp([4, 8, 3])
    agent = DQN(network, torch.optim.SGD(network.parameters(), 0.1), 3, method=el.ER(2), memory=el.Fifo(9))
    state = agent.state_dict()
    seen = np.ones(4, np.float32)
    agent.learn(seen, 1, 1.0, seen, over=True)
    before = network[0].weight.clone()
    with pytest.raises(el.InputError):
        agent.load_state_dict(state | {part: value})
    assert torch.equal(network[0].weight, before)
    assert (agent.frames, len(agent.learner.memory)) == (1, 1)


def test_weights_that_are_loaded_are_those_of_the_targets_too(tmp_path):
    first = make(lr=0.5)
    for seed in range(9):
        learn(first, seed)
    first.save(tmp_path / "agent")
    second = make()
    second.load_weights(tmp_path / "agent")
    assert torch.equal(second._target(torch.ones(1, 3).double()), first.values(np.ones((1, 3))))
