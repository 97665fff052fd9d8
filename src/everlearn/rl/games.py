"""The games as Gymnasium environments, one at a time or many at once."""

from collections.abc import Callable
from dataclasses import astuple
from functools import cache, partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from everlearn.ranges import at_least
from everlearn.rl.catcher import Catcher
from everlearn.rl.flappy import FlappyBird
from everlearn.rl.paint import compiled, paint
from everlearn.rl.rules import Rules, is_low, no_chance, refill
from everlearn.types import InputError

Kind = Catcher | FlappyBird
RENDER_MODES = ("rgb_array", "ansi")
FRAMES_PER_SECOND = 30
SHADES, LINES, LINE = " ░▒▓█", 20, 40
"""From dark to bright; how many lines of how many characters a picture has."""


class Game(gymnasium.Env[np.ndarray, Any]):
    """One game.

    Observed is what the game's class says, as float32; or, with `pixels`, a grey picture, as uint8. A reset
    with a seed begins anew in all respects, one without begins the next episode.

    Args:
        kind: such as `Catcher(velocity=0.608)`.
        pixels: height and width of the observed picture; by default there are numbers.
        render_mode: what `render` gives: "rgb_array" for (height, width, 3) bytes, "ansi" for text.

    Raises:
        InputError: there is no such render mode, or the picture has no pixel.

    >>> game = Game(Catcher())
    >>> observation, _ = game.reset(seed=0)
    >>> observation.shape, game.step(2)[1:3]
    ((4,), (0.0, False))
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": FRAMES_PER_SECOND}  # noqa: RUF012

    def __init__(self, kind: Kind, *, pixels: int | None = None, render_mode: str | None = None) -> None:
        if render_mode not in (None, *RENDER_MODES):
            raise InputError(f"render_mode must be one of {', '.join(RENDER_MODES)}, not {render_mode!r}")
        self.kind, self.render_mode = kind, render_mode
        self.action_space = Discrete(len(kind.rules.actions))
        self.observation_space = _observations(kind.rules, pixels)
        self._see = kind.rules.observe if pixels is None else _picture(kind.rules, compiled())
        self._settings = np.array(astuple(kind), dtype=np.float64)
        self._state, self._chance = np.zeros(kind.rules.state), no_chance()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """A new episode; `options` are not read."""
        super().reset(seed=seed, options=options)
        if seed is not None:
            self._state[:], self._chance = 0, no_chance()
        self._draw_if_low()
        self.kind.rules.reset(self._state, self._chance, self._settings)
        return self._observation(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One frame.

        Raises:
            InputError: there is no such action.
        """
        if not self.action_space.contains(action):
            raise InputError(f"action must be from 0 to {len(self.kind.rules.actions) - 1}, not {action!r}")
        self._draw_if_low()
        reward, over = self.kind.rules.step(self._state, self._chance, self._settings, int(action))
        return self._observation(), reward, over, False, {}

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

    def _observation(self) -> np.ndarray:
        out = np.zeros(self.observation_space.shape or ())
        self._see(self._state, self._settings, out)
        return _as_in(self.observation_space, out)

    def _picture(self, height: int, width: int, colours: int) -> np.ndarray:
        out = np.zeros((height, width, colours))
        _picture(self.kind.rules, compiled())(self._state, self._settings, out)
        return out


class Games(VectorEnv):
    """Many games of one kind at once, compiled: each the same as a `Game`, frame by frame.

    Game i has the seed of the first one plus i. A game that is over is reset by the next step, whatever
    its action, for a reward of 0 (Gymnasium's `AutoresetMode.NEXT_STEP`).

    Args:
        kind: such as `Catcher(velocity=0.608)`.
        num_envs: how many.
        pixels: as for `Game`.
        max_episode_steps: frames after which an episode is truncated; by default none is.

    Raises:
        InputError: there are no games, or the picture has no pixel.
    """

    def __init__(
        self, kind: Kind, num_envs: int = 1, *, pixels: int | None = None, max_episode_steps: int | None = None
    ) -> None:
        at_least(1, num_envs=num_envs)
        self.metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}
        self.kind, self.num_envs, self.max_episode_steps = kind, num_envs, max_episode_steps
        self.single_action_space = Discrete(len(kind.rules.actions))
        self.single_observation_space = _observations(kind.rules, pixels)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._frame = _compiled(kind.rules, pixels)
        self._settings = np.array(astuple(kind), dtype=np.float64)
        self._states, self._chances = np.zeros((num_envs, kind.rules.state)), np.array([no_chance()] * num_envs)
        self._generators: list[np.random.Generator] = []
        self._over, self._frames = np.ones(num_envs, np.bool_), np.zeros(num_envs, np.int64)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """New episodes; `options` are not read.

        Args:
            seed: of the first game, or of each; games whose seed is None go on with their own chance.
        """
        super().reset(options=options)
        seeds = seed if isinstance(seed, list) else [None if seed is None else seed + i for i in range(self.num_envs)]
        if len(seeds) != self.num_envs:
            raise InputError(f"there must be a seed for each of {self.num_envs} games, not {len(seeds)}")
        if not self._generators:
            self._generators = [np.random.default_rng() for _ in seeds]
        for i, own in enumerate(seeds):
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
        rewards, out = np.zeros(self.num_envs), np.zeros(self.observation_space.shape or ())
        self._frame(self._states, self._chances, self._settings, actions, self._over, self._frames, rewards, out)
        return _as_in(self.observation_space, out), rewards


def _observations(rules: Rules, pixels: int | None) -> Box:
    if pixels is None:
        low, high = (np.array(bound, np.float32) for bound in (rules.low, rules.high))
        return Box(low, high, dtype=np.float32)
    at_least(1, pixels=pixels)
    return Box(0, 255, (pixels, pixels), np.uint8)


def _as_in(space: gymnasium.Space[Any], out: np.ndarray) -> np.ndarray:
    """What was seen, as floats, in the form that a space has it."""
    return (np.rint(out) if space.dtype == np.uint8 else out).astype(space.dtype)


def _picture(rules: Rules, paint: Callable[..., None]) -> Callable[..., None]:
    """`see(state, settings, out)` that paints into out, (height, width) or (height, width, 3)."""
    rectangles, shapes, size = rules.rectangles, rules.shapes, rules.size

    def see(state: np.ndarray, settings: np.ndarray, out: np.ndarray) -> None:
        drawn = np.zeros((shapes, 7))
        rectangles(state, settings, drawn)
        paint(drawn, size, out.reshape(out.shape[0], out.shape[1], -1))

    return see


@cache
def _compiled(rules: Rules, pixels: int | None) -> Callable[..., None]:
    """One frame of many games; a game that is over is reset instead."""
    from numba import njit  # noqa: PLC0415
    from numba.extending import register_jitable  # noqa: PLC0415

    reset, step, see = rules.reset, rules.step, rules.observe if pixels is None else _picture(rules, paint)
    for part in (*rules.parts, rules.rectangles, paint, reset, step, see):
        register_jitable(part)

    @njit(error_model="numpy")
    def frame(states, chances, settings, actions, over, frames, rewards, out):
        for i in range(len(states)):
            if over[i]:
                reset(states[i], chances[i], settings)
                over[i], frames[i] = False, 0
            else:
                rewards[i], over[i] = step(states[i], chances[i], settings, actions[i])
                frames[i] += 1
            see(states[i], settings, out[i])

    return frame


def make(kind: type[Kind], pixels: int | None = None, render_mode: str | None = None, **settings: Any) -> Game:
    """A game by its settings, as `gymnasium.make` asks for it."""
    return Game(kind(**settings), pixels=pixels, render_mode=render_mode)


def make_vec(
    kind: type[Kind],
    num_envs: int = 1,
    pixels: int | None = None,
    max_episode_steps: int | None = None,
    render_mode: str | None = None,
    **settings: Any,
) -> Games:
    """Games by their settings, as `gymnasium.make_vec` asks for them."""
    if render_mode is not None:
        raise InputError("many games at once have no pictures: render_mode must be None")
    return Games(kind(**settings), num_envs, pixels=pixels, max_episode_steps=max_episode_steps)


def register() -> None:
    """Make the games known to Gymnasium, once."""
    for kind in (Catcher, FlappyBird):
        name = f"everlearn/{kind.__name__}-v0"
        if name not in gymnasium.registry:
            gymnasium.register(name, partial(make, kind), vector_entry_point=partial(make_vec, kind))
