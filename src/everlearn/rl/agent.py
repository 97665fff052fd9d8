"""A deep Q-network whose learner is any of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from everlearn import checkpoint, saved
from everlearn.batches import check_finite
from everlearn.chance import generator
from everlearn.fast import Frozen
from everlearn.learner import Learner
from everlearn.losses import Prepared, chosen_huber
from everlearn.ranges import at_least, not_negative, number
from everlearn.types import Batch, InputError, Memory, Method


@dataclass(frozen=True)
class Epsilon:
    """How often an action is drawn by lot: from `first` down to `last` in a straight line, then `last`.

    >>> Epsilon(1.0, 0.1, frames=100)(50)
    0.55
    """

    first: float = 1.0
    last: float = 0.05
    frames: int = 10_000
    """How long the way down is."""

    def __post_init__(self) -> None:
        at_least(1, frames=self.frames)
        if not 0 <= self.last <= self.first <= 1:
            raise InputError(f"epsilon goes from first down to last, both from 0 to 1, not {self.first} to {self.last}")

    def __call__(self, frame: int) -> float:
        return self.first + (self.last - self.first) * min(1.0, frame / self.frames)


class DQN:
    """A deep Q-network (Mnih et al. 2015): it learns what each action is worth, and takes the best.

    Each transition is one row, which the learner's method learns: with `ER` and a `Fifo` it is the usual
    DQN; with `MER(batches=1, replayed=16, beta=1.0, gamma=0.3, add="before")` and a `Reservoir` it is DQN-MER,
    Algorithm 8 of Riemer et al. 2019. The loss is Huber's, between the value of the action that was taken and
    reward + discount · maxₐ Q̂(next state, a), where Q̂ is the network as it was some frames ago.

    Args:
        network: observations (rows, …) to values (rows, actions); bytes are given to it as numbers from 0 to 1.
        optimizer: of its parameters.
        actions: how many there are.
        method: how a transition is learned.
        memory: of transitions.
        discount: of what comes a frame later.
        epsilon: how often an action is drawn by lot; by default `Epsilon()`.
        target_every: frames from one copy of the network to the next.
        clip: rewards are cut to ± this before they are learned, so that Catcher's last −6 counts as −1; infinity
            leaves them as they are.
        begin: frames whose transitions are only remembered.
        seed: of the actions drawn by lot, and of the method.

    >>> import everlearn as el
    >>> network = el.mlp([4, 16, 3])
    >>> sgd = torch.optim.SGD(network.parameters(), lr=0.01)
    >>> agent = DQN(network, sgd, 3, method=el.ER(4), memory=el.Fifo(100))
    >>> state = np.zeros(4, np.float32)
    >>> loss = agent.learn(state, agent.act(state), 1.0, state, over=False)
    >>> agent.frames, agent.learner.path
    (1, 'compiled')
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        actions: int,
        *,
        method: Method,
        memory: Memory,
        discount: float = 0.99,
        epsilon: Epsilon | None = None,
        target_every: int = 500,
        clip: float = 1.0,
        begin: int = 0,
        seed: int = 0,
    ) -> None:
        at_least(1, actions=actions, target_every=target_every)
        at_least(0, begin=begin)
        not_negative(discount=discount)
        if not clip > 0:
            raise InputError(f"clip must be above 0, not {clip}")
        loss = Prepared(chosen_huber, self._with_target)
        self.learner = Learner(network, optimizer, loss, memory=memory, method=method, seed=seed)
        self.actions = actions
        self.discount, self.clip, self.target_every, self.begin = discount, clip, target_every, begin
        self.epsilon = Epsilon() if epsilon is None else epsilon
        self.frames = 0
        self._dtype = next(network.parameters()).dtype
        self._target = Frozen(network)
        self._generator = generator(seed, "actions")

    def values(self, observations: np.ndarray) -> Tensor:
        """What each action is worth: (rows, actions) for observations (rows, …)."""
        return self.learner.predict({"x": self._as_input(torch.as_tensor(observations))})

    def act(self, observation: np.ndarray) -> int:
        """An action: one drawn by lot with the probability that epsilon now gives, otherwise the best."""
        lot, which = torch.rand(2, generator=self._generator).tolist()
        if lot < self.epsilon(self.frames):
            return int(which * self.actions)
        return int(self.values(observation[None]).argmax())

    def learn(
        self, observation: np.ndarray, action: int, reward: float, following: np.ndarray, *, over: bool
    ) -> Tensor | None:
        """Learn from one frame.

        Args:
            observation: what was seen.
            action: what was done.
            reward: what it paid.
            following: what was seen then.
            over: whether the episode ended there and nothing more was to be had; a time limit is no such end.

        Returns:
            The loss before the first step, or None while transitions are only remembered.

        Raises:
            InputError: there is no such action; or the reward, or what was seen, is not finite or of another shape: the
                frame is as if it had not been.
            Diverged: as `Learner.learn` has it.
        """
        if action not in range(self.actions):
            raise InputError(f"actions are whole numbers from 0 to {self.actions - 1}, not {action}")
        if not isfinite(number("the reward", reward)):
            raise InputError(f"the reward is {reward}: nothing was learned from this frame")
        row = {
            "x": torch.as_tensor(observation)[None],
            "action": torch.tensor([int(action)]),
            "reward": torch.tensor([max(-self.clip, min(self.clip, float(reward)))], dtype=self._dtype),
            "discount": torch.tensor([0.0 if over else self.discount], dtype=self._dtype),
            "next": torch.as_tensor(following)[None],
        }
        loss = None
        if self.frames < self.begin:
            check_finite(row)
            self._check_shapes(row)
            self.learner.memory.add(row)
        else:
            loss = self.learner.learn(row)
        self.frames += 1
        if self.frames % self.target_every == 0:
            self._target.become(self.learner.model.state_dict())
        return loss

    def _check_shapes(self, row: Batch) -> None:
        """What is only remembered must be such that it can be learned."""
        if len(self.learner.memory):
            return  # As the rows before.
        try:
            self.learner.losses(row)
        except RuntimeError as error:
            raise InputError(f"the network does not take what is observed: {error}") from error

    def _with_target(self, batch: Batch) -> Batch:
        """Transitions as the loss needs them: what the action that was taken should be worth."""
        best = self._target(self._as_input(batch["next"])).amax(1)
        target = torch.addcmul(batch["reward"], batch["discount"], best)
        return {"x": self._as_input(batch["x"]), "action": batch["action"], "target": target}

    def _as_input(self, seen: Tensor) -> Tensor:
        return seen.to(self._dtype) / 255 if seen.dtype is torch.uint8 else seen.to(self._dtype)

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that a resumed run needs of the agent."""
        return {
            "learner": self.learner.state_dict(),
            "target": self._target.state_dict(),
            "frames": self.frames,
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become the agent that `state` was taken from.

        Raises:
            InputError: the state is of another network, optimizer or memory; nothing was changed.
        """
        if not isinstance(state, Mapping) or not state.keys() >= {"learner", "target", "frames", "generator"}:
            raise InputError("this is not the state of a DQN")
        if not isinstance(state["target"], Mapping) or type(state["frames"]) is not int or state["frames"] < 0:
            raise InputError("this is not the state of a DQN: its target or its frames are something else")
        saved.check_model(self.learner.model, state["target"])
        saved.check_generator("generator", state["generator"])
        self.learner.load_state_dict(state["learner"])
        self._target.become(state["target"])
        self.frames = state["frames"]
        self._generator.set_state(state["generator"])

    def hold(self, state: Mapping[str, Any]) -> None:
        """Keep what `state_dict` gave from being let go by a memory on disk, until another state is held."""
        self.learner.hold(state["learner"])

    def confirm(self, state: Mapping[str, Any]) -> None:
        """What `state_dict` gave was kept, in a file of one's own, say: a memory on disk counts it among its saves."""
        self.learner.confirm(state["learner"])

    def save(self, path: str | Path, also: Any = None) -> None:
        """Write everything into one file; a crash leaves the old file or the new one.

        Args:
            path: such as ``"agent.safetensors"``.
            also: what else the loop around needs to go on, as `Learner.save` has it.

        Raises:
            Diverged: a weight is infinite or NaN; the file is as it was.
            InputError: a checkpoint can't hold what is in `also`; the file is as it was.
            OSError: the disk is full; the file is as it was.
        """
        self.learner.check_weights(f"it was not saved over {path}")
        state = self.state_dict()
        checkpoint.save(state | {"also": also}, path)
        self.confirm(state)

    def load(self, path: str | Path) -> Any:
        """Become the agent that was saved at `path`.

        Returns:
            What else was saved there, or None.

        Raises:
            InputError: there is no such file, it is not whole, or it is of another agent; nothing was changed.
        """
        state = checkpoint.load(path)
        self.load_state_dict(state)
        self.confirm(state)
        return state.get("also")

    def load_weights(self, path: str | Path) -> None:
        """Take the network's weights alone from what was saved at `path`, as `Learner.load_weights` does.

        The targets are of these from now on.
        """
        self.learner.load_weights(path)
        self._target.become(self.learner.model.state_dict())
