"""Environments that change while an agent lives in them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import gymnasium
from gymnasium.utils import seeding
from gymnasium.vector import SyncVectorEnv, VectorEnv

from everlearn.ranges import number
from everlearn.types import InputError

Make = Callable[..., gymnasium.Env]
Schedule = Sequence[tuple[int, Mapping[str, Any]]]
"""From which frame on which keywords hold, such as `[(0, {"pipe_gap": 100}), (25_000, {"pipe_gap": 95})]`."""


class Changing(gymnasium.Wrapper):
    """An environment that is made anew, with other keywords, after so many frames.

    The agent is told nothing of it: the frame in which a task ends is truncated, as by a time limit, and
    the next reset begins the next task. The last task has no end. `reset(seed=…)` begins with the first
    task again, and everything after it follows from the seed, where the environment's own chance does.

    Args:
        make: the environment's name in Gymnasium, or a function of the keywords that makes it.
        schedule: from which frame on which keywords hold; the first begins at 0.

    Raises:
        InputError: the schedule does not begin at 0 or go up; or a task's actions or observations have
            another space than the first one's, which is seen when it begins, or by `check`.

    >>> import everlearn.rl
    >>> env = Changing("everlearn/FlappyBird-v0", [(0, {"pipe_gap": 100}), (5, {"pipe_gap": 95})])
    >>> _ = env.reset(seed=0)
    >>> [env.step(0)[3] for _ in range(5)]
    [False, False, False, False, True]
    >>> _ = env.reset()
    >>> env.task, env.unwrapped.kind.pipe_gap
    (1, 95)
    """

    def __init__(self, make: str | Make, schedule: Schedule) -> None:
        starts = [number("a frame of the schedule", start) for start, _ in schedule]
        if starts[:1] != [0] or sorted(set(starts)) != starts:
            raise InputError(f"a schedule begins at frame 0 and goes up: {starts}")
        self._make, self._schedule = make, schedule
        self.frames = self.task = 0
        super().__init__(self.make(0))

    def make(self, task: int, **others: Any) -> gymnasium.Env:
        """An environment of one task alone, with other keywords beside, such as a render mode."""
        keywords = {**self._schedule[task][1], **others}
        return gymnasium.make(self._make, **keywords) if isinstance(self._make, str) else self._make(**keywords)

    def many(self, task: int, n: int) -> VectorEnv:
        """So many environments of one task at once, in the form that is fastest; none of them is shown."""
        if isinstance(self._make, str):
            keywords = {name: value for name, value in self._schedule[task][1].items() if name != "render_mode"}
            return gymnasium.make_vec(self._make, n, **keywords)
        return SyncVectorEnv([partial(self.make, task)] * n)

    def check(self) -> None:
        """Make each later task once, to see that it can be.

        Raises:
            InputError: one has another space than the first one's.
        """
        for task in range(1, self.tasks):
            self._made(task).close()

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        return len(self._schedule)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """A new episode, of the next task where this one's frames are over; with a seed, the first one of all."""
        if seed is not None:
            self.frames = 0
            self._go_to(0)
        elif self._is_over():
            seed = int(self.env.np_random.integers(2**31))
            self._go_to(self.task + 1)
        if seed is not None:
            # An environment whose reset seeds this itself gives the same; for one that does not, tasks follow from it.
            self.env.unwrapped.np_random, _ = seeding.np_random(seed)
        return self.env.reset(seed=seed, options=options)

    def _go_to(self, task: int) -> None:
        if task == self.task:
            return
        new = self._made(task)
        self.env.close()
        self.env, self.task = new, task

    def _made(self, task: int) -> gymnasium.Env:
        new = self.make(task)
        for name in ("action_space", "observation_space"):
            ours, theirs = getattr(self.env, name), getattr(new, name)
            if ours != theirs:
                new.close()
                raise InputError(f"task {task} has another {name}: {theirs}, where it was {ours}")
        return new

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One frame; truncated where it is the task's last."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.frames += 1
        return observation, reward, terminated, truncated or self._is_over(), info

    def _is_over(self) -> bool:
        return self.task + 1 < self.tasks and self.frames >= self._schedule[self.task + 1][0]
