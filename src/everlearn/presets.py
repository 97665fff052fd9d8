"""Experiments by name: the streams and methods there are, and what the MER paper chose for them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from everlearn import methods
from everlearn.experiment import Experiment
from everlearn.methods import (
    ER,
    EWC,
    GEM,
    MER,
    GEMReservoir,
    Independent,
    MERBig,
    MERCurrent,
    Online,
    TaskER,
    TaskInput,
)
from everlearn.run import Evaluation
from everlearn.streams import Omniglot, Permutations, Rotations
from everlearn.types import InputError, Method

STREAMS = {
    "rotations": Rotations(),
    "permutations": Permutations(),
    "many-permutations": Permutations(tasks=100, examples=200),
    "omniglot": Omniglot(),
}

METHODS: dict[str, type] = {
    re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower(): getattr(methods, name)
    for name in methods.__all__
}


@dataclass(frozen=True)
class Setting:
    """A method with its hyper-parameters, and what else goes with it."""

    method: Method
    lr: float
    optimizer: Literal["sgd", "adam", "rmsprop"] = "sgd"
    keep: Literal["reservoir", "ring"] = "reservoir"


CELLS = (
    ("rotations", 5120),
    ("rotations", 500),
    ("rotations", 200),
    ("permutations", 5120),
    ("permutations", 500),
    ("permutations", 200),
    ("many-permutations", 5120),
    ("many-permutations", 500),
    ("omniglot", 5120),
    ("omniglot", 500),
)
"""The paper's streams, each with its sizes of the memory."""


_GEM = [(0.01, 1.0), (0.01, 0.0), (0.01, 0.0), (0.01, 1.0), (0.01, 1.0), (0.01, 0.0), (0.01, 0.0), (0.003, 0.1)]
_TASK_ER = [(0.03, 100), (0.01, 100), (0.01, 50), (0.01, 25), (0.01, 25), (0.01, 10), (0.003, 10), (0.01, 5)]


def _searched(*rates: float) -> list[tuple]:
    """Rates that the paper does not print, from experiments/optimizers.py; the rows replayed are those with SGD."""
    return [(lr, replayed) for lr, (_, replayed) in zip(rates, _TASK_ER, strict=True)]


# Riemer et al. 2019, appendix J.1, a value for each of CELLS; where there are fewer, the paper has none for the
# last ones. Many Permutations at 5120: MERCurrent's 50 is the appendix's, where the paper's own script says 100;
# MER's 0.1 is the script's, where the appendix is silent. GEM with a reservoir, and ER with GEM's memory, which
# the appendix leaves out, have the settings of GEM and of ER with tasks.
_CHOSEN: dict[str, tuple[Callable[..., Setting], list[tuple]]] = {
    "online": (lambda lr: Setting(Online(), lr), [(3e-4,)] * 3 + [(3e-3,)] * 5 + [(0.1,)] * 2),
    "independent": (lambda lr: Setting(Independent(), lr), [(0.01,)] * 8),
    "task-input": (lambda lr: Setting(TaskInput(), lr), [(0.01,)] * 6),
    "ewc": (
        lambda lr, strength: Setting(EWC(strength), lr),
        [(0.001, 100.0)] * 3 + [(0.01, 10.0)] * 3 + [(0.003, 1.0)] * 2 + [(0.001, 10.0)] * 2,
    ),
    "gem": (lambda lr, strength: Setting(GEM(strength), lr), [*_GEM, (0.01, 0.5), (0.01, 0.5)]),
    "gem-reservoir": (lambda lr, strength: Setting(GEMReservoir(strength), lr), _GEM),
    "er": (
        lambda lr, replayed: Setting(ER(replayed), lr),
        [(0.1, 25), (0.1, 5), (0.1, 10), (0.1, 25), (0.1, 10), (0.1, 10), (0.1, 25), (0.1, 25)],
    ),
    "task-er": (lambda lr, replayed: Setting(TaskER(replayed), lr), _TASK_ER),
    "task-er-ring": (lambda lr, replayed: Setting(TaskER(replayed), lr, keep="ring"), _TASK_ER),
    "task-er-adam": (
        lambda lr, replayed: Setting(TaskER(replayed), lr, optimizer="adam"),
        _searched(1e-3, 3e-4, 3e-4, 1e-3, 3e-4, 3e-4, 3e-4, 3e-4),
    ),
    "task-er-rmsprop": (
        lambda lr, replayed: Setting(TaskER(replayed), lr, optimizer="rmsprop"),
        _searched(1e-3, 1e-3, 3e-4, 1e-3, 1e-3, 1e-4, 1e-3, 3e-4),
    ),
    "mer": (
        lambda lr, beta, replayed, batches: Setting(MER(batches=batches, replayed=replayed, beta=beta), lr),
        [
            (0.03, 0.03, 100, 10),
            (0.1, 0.01, 10, 10),
            (0.1, 0.01, 10, 5),
            (0.03, 0.03, 100, 10),
            (0.03, 0.03, 25, 10),
            (0.03, 0.03, 10, 10),
            (0.1, 0.01, 5, 10),
            (0.03, 0.03, 5, 10),
            (0.01, 1.0, 25, 5),
            (0.1, 1.0, 5, 2),
        ],
    ),
    "mer-big": (
        lambda lr, gamma, replayed: Setting(MERBig(replayed=replayed, gamma=gamma), lr),
        [
            (0.03, 0.1, 100),
            (0.1, 0.03, 10),
            (0.1, 0.03, 25),
            (0.03, 0.1, 50),
            (0.03, 0.3, 10),
            (0.1, 0.03, 5),
            (0.03, 0.1, 25),
            (0.1, 0.03, 5),
        ],
    ),
    "mer-current": (
        lambda lr, gamma, replayed, boost: Setting(MERCurrent(boost=boost, replayed=replayed, gamma=gamma), lr),
        [
            (0.03, 0.03, 100, 5.0),
            (0.03, 0.03, 50, 5.0),
            (0.03, 0.03, 50, 5.0),
            (0.01, 0.1, 100, 10.0),
            (0.01, 0.1, 25, 10.0),
            (0.03, 0.1, 5, 2.0),
            (0.03, 0.03, 50, 10.0),
            (0.03, 0.03, 5, 10.0),
        ],
    ),
}

CHOSEN: dict[tuple[str, int], dict[str, Setting]] = {cell: {} for cell in CELLS}
for _name, (_make, _values) in _CHOSEN.items():
    for _cell, _value in zip(CELLS, _values, strict=False):
        CHOSEN[_cell][_name] = _make(*_value)

NO_MEMORY = frozenset({"online", "independent", "task-input", "ewc", "reptile"})
"""Methods that keep no rows, or a few of their own: the memory's size means nothing to them."""


@dataclass(frozen=True)
class Table:
    """What a table of the MER paper compares."""

    about: str
    streams: tuple[str, ...]
    methods: tuple[str, ...]
    memories: tuple[int, ...]
    alignment: int = 0
    """Batches from one reading of the gradients' alignment to the next."""


_THREE, _SIZES = ("rotations", "permutations", "many-permutations"), (5120, 500, 200)
_REPLAY = ("er", "task-er", "mer", "mer-big", "mer-current")
_REPRODUCED = ("online", "independent", "ewc", "gem", *_REPLAY)

TABLES = {
    1: Table(
        "Rotations and Permutations, memory of 5120",
        _THREE[:2],
        ("online", "independent", "task-input", "ewc", "gem", "mer"),
        (5120,),
    ),
    2: Table("GEM and MER with smaller memories", _THREE[:2], ("gem", "mer"), _SIZES),
    3: Table(
        "Many Permutations and Omniglot", ("many-permutations", "omniglot"), ("online", "ewc", "gem", "mer"), _SIZES
    ),
    4: Table("how gradients of new and old examples agree", _THREE, ("online", *_REPLAY), _SIZES, alignment=10),
    5: Table("forward transfer on Rotations", _THREE[:1], ("online", "task-input", "ewc", "gem", "mer"), (5120,)),
    6: Table(
        "what each part of MER gives",
        _THREE,
        (*_REPLAY, "task-er-adam", "task-er-rmsprop", "task-er-ring", "gem", "gem-reservoir"),
        _SIZES,
    ),
    7: Table("Rotations again", _THREE[:1], _REPRODUCED, _SIZES),
    8: Table("Permutations again", _THREE[1:2], _REPRODUCED, _SIZES),
    9: Table("Many Permutations again", _THREE[2:], _REPRODUCED, _SIZES),
}
"""The tables with numbers; Table 4 is for the two methods that the paper compares, and all that are like them."""


def paper(stream: str, method: str, memory: int, *, examples: int | None = None, seed: int = 0) -> Experiment:
    """One run as the MER paper has it.

    Args:
        stream: `rotations`, `permutations`, `many-permutations` or `omniglot`.
        method: such as `mer`; `online`, `er` and the others are in `CHOSEN`.
        memory: 5120, 500 or (for rotations and permutations) 200 rows.
        examples: of each task, for a shorter stream than the paper's; Omniglot's tasks are as they are.
        seed: of everything random.

    Raises:
        InputError: the paper has no such setting; the message lists those there are.

    >>> paper("rotations", "mer", 200).method
    MER(batches=5, replayed=10, beta=0.01, gamma=1.0, add='after')
    """
    if (stream, memory) not in CHOSEN:
        have = ", ".join(f"{name} at {rows}" for name, rows in CHOSEN)
        raise InputError(f"the paper has no {stream} with a memory of {memory}; it has: {have}")
    if method not in CHOSEN[stream, memory]:
        raise InputError(f"the paper has no setting for {method}; it has: {', '.join(CHOSEN[stream, memory])}")
    setting, tasks = CHOSEN[stream, memory][method], STREAMS[stream]
    if examples is not None:
        if isinstance(tasks, Omniglot):
            raise InputError("Omniglot's tasks are as they are: leave --examples out")
        tasks = replace(tasks, examples=examples)
    return Experiment(
        tasks,
        setting.method,
        memory,
        setting.lr,
        evaluation=Evaluation(every=max(1, tasks.length // 40)),
        seed=seed,
        optimizer=setting.optimizer,
        keep=setting.keep,
    )


def table(
    number: int,
    stream: str | None = None,
    memory: int | None = None,
    methods: Sequence[str] | None = None,
    *,
    examples: int | None = None,
    seed: int = 0,
) -> list[Experiment]:
    """The runs behind a table of the MER paper, or some of them; methods that keep no rows once a stream.

    Args:
        number: one of `TABLES`.
        stream, memory, methods: only these, where given.
        examples: of each task, for shorter streams than the paper's.
        seed: of everything random.

    Raises:
        InputError: there is no such table here, or it has no such stream, memory or method; the message
            lists those there are.

    >>> [f"{one.folder():.20}" for one in table(2, "rotations", 500)]
    ['rotations-gem-500-64', 'rotations-mer-500-39']
    """
    if number not in TABLES:
        raise InputError(f"there is no table {number} here; there are: {', '.join(map(str, TABLES))}")
    at = TABLES[number]
    _check_part(number, at, stream, memory, methods)
    wanted = [
        paper(name, method, size, examples=examples, seed=seed)
        for name in at.streams
        for method in at.methods
        for size in ([sizes(name)[-1]] if method in NO_MEMORY else at.memories)
        if method in CHOSEN.get((name, size), {})
        and (stream in (None, name))
        and (memory in (None, size) or method in NO_MEMORY)
        and (methods is None or method in methods)
    ]
    if not at.alignment:
        return wanted
    return [replace(one, alignment=at.alignment, evaluation=Evaluation()) for one in wanted]


def _check_part(number: int, at: Table, stream: str | None, memory: int | None, methods: Sequence[str] | None) -> None:
    of_streams = {size for name in at.streams if stream in (None, name) for size in sizes(name)}
    memories = tuple(size for size in at.memories if size in of_streams)
    parts = [("stream", at.streams, stream), ("memory", memories, memory)]
    parts += [("method", at.methods, method) for method in methods or ()]
    for name, there, asked in parts:
        if asked is not None and asked not in there:
            raise InputError(f"table {number} has no {name} {asked}; it has: {', '.join(map(str, there))}")


def sizes(stream: str) -> list[int]:
    """The sizes of the memory that the paper has for a stream, largest first.

    >>> sizes("omniglot")
    [5120, 500]
    """
    return [memory for name, memory in CELLS if name == stream]


def stream_name(config: dict) -> str:
    """The name of a recorded stream: `permutations` of 100 tasks are `many-permutations`.

    >>> stream_name({"name": "Permutations", "tasks": 100})
    'many-permutations'
    """
    name = config["name"].lower()
    return f"many-{name}" if name == "permutations" and config["tasks"] == STREAMS["many-permutations"].tasks else name


def method_name(config: dict) -> str:
    """The name of a recorded run's method, as in `METHODS`, with what is special about its memory and optimizer.

    >>> method_name({"method": {"name": "TaskER"}, "optimizer": "adam"})
    'task-er-adam'
    """
    own = config["method"]["name"]
    name = next((name for name, method in METHODS.items() if method.__name__ == own), own)
    return "-".join([name, *(config[key] for key in ("optimizer", "keep") if key in config)])
