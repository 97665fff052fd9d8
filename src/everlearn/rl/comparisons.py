"""The experiments with games: which arms are compared, on which tasks."""

from dataclasses import dataclass, field, replace
from typing import Any

from everlearn.rl.arms import ARMS
from everlearn.rl.experiment import GameExperiment
from everlearn.rl.play import Trials
from everlearn.rl.sequences import FRAMES
from everlearn.types import InputError

STEP = 0.5
"""How far a frame moves the weights (`arms.Arm.lr`), the same for all arms: of five, each arm's best from numbers, and
from pictures the best in the mean over arms (`experiments/games_search.py`)."""

PRINTED = 1e-4
"""The learning rate that Riemer et al. 2019 print for all arms (appendix N.3)."""

SMALL, LARGER = 5_000, 20_000
"""Transitions held where tasks are at odds: a tenth of a task of Catcher's and a good quarter of one of Flappy Bird's,
which is not learned with fewer, so that the last ones hold nothing of the task before."""


@dataclass(frozen=True)
class Comparison:
    """Arms on sequences of tasks."""

    about: str
    sequences: dict[str, int]
    """Each with the frames of a task."""
    arms: tuple[str, ...] = tuple(ARMS)
    settings: dict[str, Any] = field(default_factory=dict)
    """Of `GameExperiment`, where they are not its defaults."""


_LONG = {"trials": Trials(limit=10_000)}
"""As long as it takes to come near the scores that the paper shows: a fruit of Catcher's takes some 38 frames."""
_BOTH = {"catcher": FRAMES, "flappy-bird": FRAMES}

COMPARISONS = {
    "states": Comparison("the paper's six tasks, from numbers", _BOTH, settings=_LONG),
    "printed": Comparison(
        "the same at the learning rate that the paper prints", _BOTH, settings={**_LONG, "lr": PRINTED}
    ),
    "pixels": Comparison("the same, from two pictures of 32 × 32", _BOTH, settings={"pixels": 32, "stack": 2}),
    "convolutions": Comparison(
        "the same by the convolutional network, from 84 × 84, tasks of 10,000 frames",
        {"catcher": 10_000},
        settings={"pixels": 84, "stack": 2, "hidden": (), "trials": Trials(limit=1_000)},
    ),
    "odds": Comparison(
        "tasks that ask for opposite actions, with a memory of 5,000",
        {
            "catcher-mirrored": 2 * FRAMES,
            "catcher-mirrored-untold": 2 * FRAMES,
            "catcher-mirrored-again": FRAMES,
            "catcher-dodge": 2 * FRAMES,
        },
        settings={"memory": SMALL},
    ),
    "turned": Comparison(
        "Flappy Bird, then the same upside down, with a memory of 20,000",
        {"flappy-bird-turned": 3 * FRAMES},
        settings={"memory": LARGER},
    ),
}


def comparison(
    name: str,
    sequences: tuple[str, ...] | None = None,
    arms: tuple[str, ...] | None = None,
    *,
    frames: int | None = None,
    seed: int = 0,
) -> list[GameExperiment]:
    """The lives of one seed.

    Args:
        name: one of `COMPARISONS`.
        sequences: some of its sequences; by default all.
        arms: some of its arms; by default all.
        frames: of each task, for a try; by default the comparison's.
        seed: of the lives.

    Raises:
        InputError: there is no such comparison, sequence or arm.

    >>> [one.label for one in comparison("odds", ("catcher-dodge",), ("dqn", "dqn-mer"))]
    ['dqn seed 0', 'dqn-mer seed 0']
    """
    if name not in COMPARISONS:
        raise InputError(f"there is no figure {name}; there are: {', '.join(COMPARISONS)}")
    own = COMPARISONS[name]
    sequences = tuple(own.sequences) if sequences is None else sequences
    arms = own.arms if arms is None else arms
    for kind, wanted, have in (("sequence", sequences, own.sequences), ("arm", arms, own.arms)):
        if not wanted:
            raise InputError(f"no {kind} is named; figure {name} has: {', '.join(have)}")
        for one in wanted:
            if one not in have:
                raise InputError(f"figure {name} has no {kind} {one}; it has: {', '.join(have)}")
    lives = [_life(own, sequence, arm, seed) for sequence in sequences for arm in arms]
    return lives if frames is None else [replace(life, frames=frames) for life in lives]


def _life(own: Comparison, sequence: str, arm: str, seed: int) -> GameExperiment:
    settings: dict[str, Any] = {"lr": ARMS[arm].lr(STEP), "frames": own.sequences[sequence], **own.settings}
    return GameExperiment(sequence, ARMS[arm].method, keep=ARMS[arm].keep, seed=seed, **settings)
