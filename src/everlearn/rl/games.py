"""The games as Gymnasium environments, one at a time or many at once."""

from collections.abc import Callable, Sequence
from dataclasses import astuple, fields
from functools import cache
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from everlearn.ranges import at_least, one_of
from everlearn.rl.catcher import Catcher
from everlearn.rl.flappy import FlappyBird
from everlearn.rl.paint import compiled, paint
from everlearn.rl.rules import Rules, is_low, no_chance, refill
from everlearn.rl.view import View, as_in, picture
from everlearn.types import InputError

Kind = Catcher | FlappyBird
KINDS: dict[str, type[Kind]] = {"Catcher": Catcher, "FlappyBird": FlappyBird}
VIEW = View()
RENDER_MODES = ("rgb_array", "ansi")
FRAMES_PER_SECOND = 30
SHADES, LINES, LINE = " ░▒▓█", 20, 40
"""From dark to bright; how many lines of how many characters a picture has."""


class Game(gymnasium.Env[np.ndarray, Any]):
    """One game.

    Observed is what the game's class says, as float32; or a grey picture, as uint8. A reset with a seed
    begins anew in all respects, one without begins the next episode.

    Args:
        kind: such as `Catcher(velocity=0.608)`.
        view: what is observed; by default the numbers of one frame.
        render_mode: what `render` gives: "rgb_array" for (height, width, 3) bytes, "ansi" for text.

    Raises:
        InputError: there is no such render mode.

    >>> game = Game(Catcher())
    >>> observation, _ = game.reset(seed=0)
    >>> observation.shape, game.step(2)[1:3]
    ((4,), (0.0, False))
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": FRAMES_PER_SECOND}  # noqa: RUF012

    def __init__(self, kind: Kind, view: View = VIEW, *, render_mode: str | None = None) -> None:
        one_of((None, *RENDER_MODES), render_mode=render_mode)
        self.kind, self.render_mode = kind, render_mode
        self.action_space = Discrete(len(kind.rules.actions))
        self.observation_space = view.space(kind.rules)
        self._look = view.look(view.draw(kind.rules, compiled()))
        self._seen = np.zeros(view.room(kind.rules))
        self._settings = np.array(astuple(kind), dtype=np.float64)
        self._state, self._chance = np.zeros(kind.rules.state), no_chance()
        self._has_begun = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """A new episode; `options` are not read."""
        super().reset(seed=seed, options=options)
        if seed is not None:
            self._state[:], self._chance = 0, no_chance()
        self._has_begun = True
        self._draw_if_low()
        self.kind.rules.reset(self._state, self._chance, self._settings)
        return self._observation(first=True), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One frame.

        Raises:
            InputError: there is no such action, or no episode yet.
        """
        if not self.action_space.contains(action):
            raise InputError(f"action must be from 0 to {len(self.kind.rules.actions) - 1}, not {action!r}")
        if not self._has_begun:
            raise InputError("the game has not begun: reset comes before step")
        self._draw_if_low()
        reward, over = self.kind.rules.step(self._state, self._chance, self._settings, int(action))
        return self._observation(first=False), reward, over, False, {}

    def render(self) -> Any:
        """The picture, as `render_mode` says; None where there is no such mode."""
        if self.render_mode == "rgb_array":
            return self._picture(*self.kind.rules.size, 3).astype(np.uint8)
        if self.render_mode == "ansi":
            grey = self._picture(LINES, LINE, 1)[:, :, 0]
            return "".join("".join(SHADES[int(tone / 256 * len(SHADES))] for tone in line) + "\n" for line in grey)
        return None

    def _draw_if_low(self) -> None:
        if is_low(self._chance):
            refill(self._chance, self.np_random)

    def _observation(self, first: bool) -> np.ndarray:
        self._look(self._state, self._settings, self._seen, first)
        return as_in(self.observation_space, self._seen)

    def _picture(self, height: int, width: int, colours: int) -> np.ndarray:
        out = np.zeros((height, width, colours))
        picture(self.kind.rules, compiled())(self._state, self._settings, out)
        return out


class Games(VectorEnv):
    """Many games of one kind at once, compiled: each the same as a `Game`, frame by frame.

    Game i has the seed of the first one plus i. A game that is over is reset by the next step, whatever
    its action, for a reward of 0 (Gymnasium's `AutoresetMode.NEXT_STEP`).

    Args:
        kind: such as `Catcher(velocity=0.608)`.
        num_envs: how many.
        view: as for `Game`.
        max_episode_steps: frames after which an episode is truncated; by default none is.

    Raises:
        InputError: there are no games.
    """

    def __init__(
        self, kind: Kind, num_envs: int = 1, view: View = VIEW, *, max_episode_steps: int | None = None
    ) -> None:
        at_least(1, num_envs=num_envs)
        self.metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}
        self.kind, self.num_envs, self.max_episode_steps = kind, num_envs, max_episode_steps
        self.single_action_space = Discrete(len(kind.rules.actions))
        self.single_observation_space = view.space(kind.rules)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._frame = _compiled(kind.rules, view)
        self._seen = np.zeros((num_envs, *view.room(kind.rules)))
        self._settings = np.array(astuple(kind), dtype=np.float64)
        self._states, self._chances = np.zeros((num_envs, kind.rules.state)), np.array([no_chance()] * num_envs)
        self._generators: list[np.random.Generator] = []
        self._over, self._frames = np.ones(num_envs, np.bool_), np.zeros(num_envs, np.int64)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """New episodes; `options` are not read.

        Args:
            seed: of the first game, or of each; games whose seed is None go on with their own chance.
        """
        super().reset(options=options)
        if not isinstance(seed, Sequence):
            seed = [None if seed is None else seed + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise InputError(f"there must be a seed for each of {self.num_envs} games, not {len(seed)}")
        if not self._generators:
            self._generators = [np.random.default_rng() for _ in seed]
        for i, own in enumerate(seed):
            if own is not None:
                self._generators[i], _ = seeding.np_random(own)
                self._states[i], self._chances[i] = 0, no_chance()
        self._over[:] = True
        return self._play(np.zeros(self.num_envs, np.int64))[0], {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One frame of each.

        Args:
            actions: (games,) integers.

        Raises:
            InputError: there is no such action.
        """
        actions, last = np.asarray(actions), len(self.kind.rules.actions) - 1
        if (
            actions.dtype.kind not in "iu"
            or actions.shape != (self.num_envs,)
            or not 0 <= actions.min() <= actions.max() <= last
        ):
            raise InputError(f"actions must be {self.num_envs} integers from 0 to {last}")
        if not self._generators:
            raise InputError("the games have not begun: reset comes before step")
        seen, rewards = self._play(actions.astype(np.int64))
        terminated = self._over.copy()
        truncated = np.zeros_like(terminated)
        if self.max_episode_steps is not None:
            truncated = self._frames >= self.max_episode_steps
            self._over |= truncated
        return seen, rewards, terminated, truncated, {}

    def _play(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        for i in np.flatnonzero(is_low(self._chances)):
            refill(self._chances[i], self._generators[i])
        rewards = np.zeros(self.num_envs)
        self._frame(self._states, self._chances, self._settings, actions, self._over, self._frames, rewards, self._seen)
        return as_in(self.observation_space, self._seen), rewards


@cache
def _compiled(rules: Rules, view: View) -> Callable[..., None]:
    """One frame of many games; a game that is over is reset instead."""
    from numba import njit  # noqa: PLC0415
    from numba.extending import register_jitable  # noqa: PLC0415

    reset, step, draw = rules.reset, rules.step, view.draw(rules, paint)
    look = view.look(draw)
    for part in (*rules.parts, rules.rectangles, paint, reset, step, draw, look):
        register_jitable(part)

    @njit(error_model="numpy")
    def frame(states, chances, settings, actions, over, frames, rewards, seen):
        for i in range(len(states)):
            first = over[i]
            if first:
                reset(states[i], chances[i], settings)
                over[i], frames[i] = False, 0
            else:
                rewards[i], over[i] = step(states[i], chances[i], settings, actions[i])
                frames[i] += 1
            look(states[i], settings, seen[i], first)

    return frame


def make(kind: str, render_mode: str | None = None, **settings: Any) -> Game:
    """A game by its settings and those of its view, as `gymnasium.make` asks for it."""
    view, settings = _view(settings)
    return Game(KINDS[kind](**settings), view, render_mode=render_mode)


def make_vec(
    kind: str,
    num_envs: int = 1,
    max_episode_steps: int | None = None,
    render_mode: str | None = None,
    **settings: Any,
) -> Games:
    """Games by their settings and those of their view, as `gymnasium.make_vec` asks for them."""
    if render_mode is not None:
        raise InputError("many games at once have no pictures: render_mode must be None")
    view, settings = _view(settings)
    return Games(KINDS[kind](**settings), num_envs, view, max_episode_steps=max_episode_steps)


def _view(settings: dict[str, Any]) -> tuple[View, dict[str, Any]]:
    """The view, and what is left: the game's own settings."""
    names = {field.name for field in fields(View)}
    own = {name: value for name, value in settings.items() if name in names}
    return View(**own), {name: value for name, value in settings.items() if name not in names}


def register() -> None:
    """Make the games known to Gymnasium, once."""
    for kind in KINDS:
        name, place = f"everlearn/{kind}-v0", "everlearn.rl.games"
        if name not in gymnasium.registry:
            gymnasium.register(name, f"{place}:make", vector_entry_point=f"{place}:make_vec", kwargs={"kind": kind})
