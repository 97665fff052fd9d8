"""An agent's life: act, then learn; a generator of events that everything else listens to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from gymnasium.spaces import Discrete

from everlearn.ranges import at_least
from everlearn.rl.agent import DQN
from everlearn.rl.changing import Changing
from everlearn.types import InputError


@dataclass(frozen=True)
class Trials:
    """When and how an agent is tried on all tasks; it learns nothing from that."""

    every: int = 5_000
    """Frames from one trial to the next; there is one at the end too. 0 makes none."""
    episodes: int = 10
    """Of each task, played at once."""
    limit: int = 5_000
    """Frames after which an episode is cut off."""
    seed: int = 1_000_000
    """Of the episodes, the same ones at each trial; a life of seed n has those of so many thousands further."""

    def __post_init__(self) -> None:
        at_least(0, every=self.every, seed=self.seed)
        at_least(1, episodes=self.episodes, limit=self.limit)


@dataclass(frozen=True)
class Frame:
    """A frame was lived and learned."""

    frame: int
    """Frames lived, this one included."""
    task: int
    action: int
    reward: float
    loss: float | None
    """Before it was learned; None while transitions are only remembered."""
    epsilon: float
    """How often actions were drawn by lot."""
    last: float | None
    """The score of the last episode that ended."""


@dataclass(frozen=True)
class Episode:
    """An episode ended."""

    frame: int
    task: int
    score: float
    """The sum of its rewards."""
    frames: int
    """How long it was."""


@dataclass(frozen=True)
class Trial:
    """The agent was tried on all tasks, always taking the action that it holds for the best."""

    frame: int
    task: int
    """The one in training."""
    scores: list[list[float]]
    """For each task the sum of rewards of each episode."""
    gained: list[int]
    """For each task the frames that paid, over all episodes."""
    lost: list[int]
    """Those that cost: of Catcher, gained / (gained + lost) is the share that was caught."""
    trained: list[float]
    """The scores of the episodes that ended since the last trial, in training."""
    living: float
    """Seconds of acting and learning since the last trial."""
    trying: float
    """Seconds of this trial."""


Event = Frame | Episode | Trial


def live(
    agent: DQN, env: Changing, frames: int, *, trials: Trials | None = None, seed: int = 0, lived: Sequence[int] = ()
) -> Iterator[Event]:
    """Let an agent live in an environment and learn from each frame.

    Args:
        agent: who lives.
        env: where; it begins anew with its first task.
        frames: how many in all.
        trials: of all tasks; by default `Trials()`.
        seed: of the environment.
        lived: the actions of a life that was interrupted, whose agent is handed in: the environment is
            taken to where it was by the same actions.

    Yields:
        Events as they happen. The life waits while an event is looked at.

    Raises:
        InputError: the environment's actions can't be counted from 0, or the agent or its network has another
            number of them, or the network doesn't take what is observed; a later task can't be made, or has another
            space; or the agent has not lived the life that it is to go on with.

    >>> import everlearn as el, torch
    >>> from everlearn.rl import sequence
    >>> network = el.mlp([4, 16, 3])
    >>> agent = DQN(network, torch.optim.SGD(network.parameters(), 0.01), 3, method=el.ER(4), memory=el.Fifo(100))
    >>> events = list(live(agent, sequence("catcher"), 200, trials=Trials(every=0)))
    >>> sum(isinstance(event, Frame) for event in events), agent.frames
    (200, 200)
    """
    trials = Trials() if trials is None else trials
    at_least(0, frames=frames, seed=seed)
    if not isinstance(env, Changing):
        raise InputError(
            "an agent lives in a Changing environment: Changing(make, [(0, {})]) is one that never changes"
        )
    if lived and agent.frames != len(lived):
        raise InputError(f"the agent is {agent.frames} frames old, not {len(lived)}, which it is to go on from")
    _check_actions(agent, env)
    env.check()
    # A copy, as some environments change what they gave.
    seen, score, began = np.array(env.reset(seed=seed)[0]), 0.0, 0
    _check_values(agent, seen)
    last, trained = None, []
    started = perf_counter()
    for frame in range(1, frames + 1):
        again = frame <= len(lived)
        if frame == len(lived) + 1:
            started = perf_counter()
        action = int(lived[frame - 1]) if again else agent.act(seen)
        following, reward, terminated, truncated, _ = env.step(action)
        following = np.array(following)
        score, task = score + float(reward), env.task
        if not again:
            epsilon = agent.epsilon(agent.frames)
            loss = agent.learn(seen, action, float(reward), following, over=terminated)
            told = None if loss is None else loss.item()
            yield Frame(frame, task, action, float(reward), told, epsilon, last)
        seen = following
        if terminated or truncated:
            if not again:
                trained.append(score)
                yield Episode(frame, task, score, frame - began)
            seen, last, score, began = np.array(env.reset()[0]), score, 0.0, frame
        if trials.every and (frame % trials.every == 0 or frame == frames) and not again:
            living = perf_counter() - started
            tried = try_all(agent, env, replace(trials, seed=trials.seed + 1_000 * seed))
            trying = perf_counter() - started - living
            yield Trial(frame, task, *tried, trained=trained, living=living, trying=trying)
            started, trained = perf_counter(), []


def try_all(agent: DQN, env: Changing, trials: Trials) -> tuple[list[list[float]], list[int], list[int]]:
    """Let an agent play all tasks, learning nothing: for each the scores, the frames that paid and those that cost.

    All episodes of all tasks are played side by side, so that the agent is asked once a frame.
    """
    many = [env.many(task, trials.episodes) for task in range(env.tasks)]
    seen = np.concatenate([envs.reset(seed=trials.seed)[0] for envs in many])
    shape = (env.tasks, trials.episodes)
    scores, alive = np.zeros(shape), np.ones(shape, bool)
    gained, lost = np.zeros(env.tasks, int), np.zeros(env.tasks, int)
    for _ in range(trials.limit):
        actions = agent.values(seen).argmax(1).cpu().numpy().reshape(shape)
        frames = [envs.step(own) for envs, own in zip(many, actions, strict=True)]
        observed, rewards, terminated, truncated, _ = zip(*frames, strict=True)
        seen, rewards = np.concatenate(observed), np.stack(rewards) * alive
        scores += rewards
        gained += (rewards > 0).sum(1)
        lost += (rewards < 0).sum(1)
        alive &= ~(np.stack(terminated) | np.stack(truncated))
        if not alive.any():
            break
    for envs in many:
        envs.close()
    return scores.tolist(), gained.tolist(), lost.tolist()


def _check_actions(agent: DQN, env: Changing) -> None:
    space = env.action_space
    if not isinstance(space, Discrete) or space.start != 0:
        raise InputError(f"a DQN chooses among actions that can be counted from 0; this environment has {space}")
    if space.n != agent.actions:
        raise InputError(f"the agent has {agent.actions} actions, the environment {space.n}")


def _check_values(agent: DQN, seen: np.ndarray) -> None:
    try:
        values = agent.values(seen[None])
    except (RuntimeError, TypeError) as error:
        raise InputError(f"the network does not take what is observed, of shape {seen.shape}: {error}") from error
    if values.shape != (1, agent.actions):
        raise InputError(
            f"the network must give one row's {agent.actions} actions values of shape (1, {agent.actions}), "
            f"not {tuple(values.shape)}"
        )
