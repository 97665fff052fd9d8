"""Ready-made sequences of tasks."""

from typing import Any

import gymnasium

from everlearn.rl.changing import Changing, Make, Schedule

FRAMES = 25_000
"""Of each task in the MER paper."""


def steps(keyword: str, values: list[Any], frames: int = FRAMES) -> Schedule:
    """A schedule in which one keyword takes one value after another, each for so many frames.

    >>> steps("pipe_gap", [100, 95], 10)
    [(0, {'pipe_gap': 100}), (10, {'pipe_gap': 95})]
    """
    return [(i * frames, {keyword: value}) for i, value in enumerate(values)]


def turns(keyword: str, ways: list[bool], *, told: bool = True) -> Schedule:
    """A schedule in which a game is one way and the other in turn.

    Args:
        keyword: what is on or off, such as `mirrored`.
        ways: of each task.
        told: whether a cue is observed, 1 where it is on and −1 where it is off; the two ways ask for other
            actions where all else that is observed is the same.

    >>> turns("mirrored", [False, True])[1]
    (25000, {'mirrored': True, 'cue': 1.0})
    """
    cues = [{"cue": 1.0 if way else -1.0} if told else {} for way in ways]
    return [(i * FRAMES, {keyword: way, **cue}) for i, (way, cue) in enumerate(zip(ways, cues, strict=True))]


def cart_pole(length: float = 0.5, gravity: float = 9.8, **options: Any) -> gymnasium.Env:
    """Gymnasium's CartPole-v1 with another pole or gravity.

    Args:
        length: half the pole's length, in metres.
        gravity: in m/s².
        options: of `gymnasium.make`.

    >>> cart_pole(length=1.0).unwrapped.polemass_length
    0.1
    """
    env = gymnasium.make("CartPole-v1", **options)
    inner: Any = env.unwrapped
    inner.length, inner.gravity, inner.polemass_length = length, gravity, inner.masspole * length
    return env


SEQUENCES: dict[str, tuple[str | Make, Schedule]] = {
    "catcher": ("everlearn/Catcher-v0", steps("velocity", [0.608, 0.638, 0.668, 0.698, 0.728, 0.758])),
    "flappy-bird": (
        "everlearn/FlappyBird-v0",
        [(at, {**gap, "keep_speed": True}) for at, gap in steps("pipe_gap", [100, 95, 90, 85, 80, 75])],
    ),
    "catcher-mirrored": ("everlearn/Catcher-v0", turns("mirrored", [False, True])),
    "catcher-mirrored-untold": ("everlearn/Catcher-v0", turns("mirrored", [False, True], told=False)),
    "catcher-mirrored-again": ("everlearn/Catcher-v0", turns("mirrored", [False, True] * 2)),
    "catcher-dodge": ("everlearn/Catcher-v0", turns("dodge", [False, True])),
    "flappy-bird-turned": ("everlearn/FlappyBird-v0", turns("upside_down", [False, True])),
    "cart-pole": (cart_pole, [(0, {})]),
    "cart-pole-length": (cart_pole, steps("length", [0.5, 1.0, 2.0, 0.25])),
    "cart-pole-gravity": (cart_pole, steps("gravity", [9.8, 20.0, 3.7, 1.6])),
}
"""An environment and its schedule: the MER paper's two (section 5), with the bird's speed kept as there; five whose
tasks are at odds, one of them untold, so that nothing can be good at both of its tasks; CartPole, which stays, and two
in which it changes."""


def sequence(name: str) -> Changing:
    """One of `SEQUENCES`.

    >>> sequence("catcher").tasks
    6
    """
    return Changing(*SEQUENCES[name])
