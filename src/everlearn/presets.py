"""Experiments by name: the streams and methods there are, and what the MER paper chose for them."""

import re
from dataclasses import dataclass, replace

from everlearn import methods
from everlearn.experiment import Experiment
from everlearn.methods import ER, MER, MERBig, MERCurrent, Online, TaskER
from everlearn.run import Evaluation
from everlearn.streams import Permutations, Rotations
from everlearn.types import InputError, Method

STREAMS = {
    "rotations": Rotations(),
    "permutations": Permutations(),
    "many-permutations": Permutations(tasks=100, examples=200),
}

METHODS: dict[str, type] = {
    re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower(): getattr(methods, name)
    for name in methods.__all__
}


@dataclass(frozen=True)
class Setting:
    """A method with its hyper-parameters, and the learning rate that goes with it."""

    method: Method
    lr: float


def _settings(online: float, er: tuple, task_er: tuple, mer: tuple, big: tuple, current: tuple) -> dict[str, Setting]:
    return {
        "online": Setting(Online(), online),
        "er": Setting(ER(er[1]), er[0]),
        "task-er": Setting(TaskER(task_er[1]), task_er[0]),
        "mer": Setting(MER(batches=mer[3], replayed=mer[2], beta=mer[1]), mer[0]),
        "mer-big": Setting(MERBig(replayed=big[2], gamma=big[1]), big[0]),
        "mer-current": Setting(MERCurrent(boost=current[3], replayed=current[2], gamma=current[1]), current[0]),
    }


# Riemer et al. 2019, appendix J.1. The first numbers are learning rates; then replayed (k − 1) for
# both ERs; beta, replayed and batches (s) for MER; gamma and replayed for MERBig; gamma, replayed
# and boost (s) for MERCurrent. Many Permutations at 5120: MERCurrent's 50 is the appendix's, where
# the paper's own script says 100; MER's 0.1 is the script's, where the appendix is silent.
CHOSEN = {
    ("rotations", 5120): _settings(
        3e-4, (0.1, 25), (0.03, 100), (0.03, 0.03, 100, 10), (0.03, 0.1, 100), (0.03, 0.03, 100, 5.0)
    ),
    ("rotations", 500): _settings(
        3e-4, (0.1, 5), (0.01, 100), (0.1, 0.01, 10, 10), (0.1, 0.03, 10), (0.03, 0.03, 50, 5.0)
    ),
    ("rotations", 200): _settings(
        3e-4, (0.1, 10), (0.01, 50), (0.1, 0.01, 10, 5), (0.1, 0.03, 25), (0.03, 0.03, 50, 5.0)
    ),
    ("permutations", 5120): _settings(
        3e-3, (0.1, 25), (0.01, 25), (0.03, 0.03, 100, 10), (0.03, 0.1, 50), (0.01, 0.1, 100, 10.0)
    ),
    ("permutations", 500): _settings(
        3e-3, (0.1, 10), (0.01, 25), (0.03, 0.03, 25, 10), (0.03, 0.3, 10), (0.01, 0.1, 25, 10.0)
    ),
    ("permutations", 200): _settings(
        3e-3, (0.1, 10), (0.01, 10), (0.03, 0.03, 10, 10), (0.1, 0.03, 5), (0.03, 0.1, 5, 2.0)
    ),
    ("many-permutations", 5120): _settings(
        3e-3, (0.1, 25), (0.003, 10), (0.1, 0.01, 5, 10), (0.03, 0.1, 25), (0.03, 0.03, 50, 10.0)
    ),
    ("many-permutations", 500): _settings(
        3e-3, (0.1, 25), (0.01, 5), (0.03, 0.03, 5, 10), (0.1, 0.03, 5), (0.03, 0.03, 5, 10.0)
    ),
}


@dataclass(frozen=True)
class Table:
    """What a table of the MER paper compares."""

    streams: tuple[str, ...]
    methods: tuple[str, ...]
    memories: tuple[int, ...]


_ALL = ("online", "er", "task-er", "mer", "mer-big", "mer-current")

TABLES = {
    1: Table(("rotations", "permutations"), ("online", "mer"), (5120,)),
    2: Table(("rotations", "permutations"), ("mer",), (5120, 500, 200)),
    3: Table(("many-permutations",), ("online", "mer"), (5120, 500)),
    6: Table(("rotations", "permutations", "many-permutations"), _ALL[1:], (5120, 500, 200)),
    7: Table(("rotations",), _ALL, (5120, 500, 200)),
    8: Table(("permutations",), _ALL, (5120, 500, 200)),
    9: Table(("many-permutations",), _ALL, (5120, 500)),
}


def paper(stream: str, method: str, memory: int, *, examples: int | None = None, seed: int = 0) -> Experiment:
    """One run as the MER paper has it.

    Args:
        stream: `rotations`, `permutations` or `many-permutations`.
        method: `online`, `er`, `task-er`, `mer`, `mer-big` or `mer-current`.
        memory: 5120, 500 or (not for many-permutations) 200 rows.
        examples: of each task, for a shorter stream than the paper's.
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
    setting = CHOSEN[stream, memory][method]
    tasks = STREAMS[stream] if examples is None else replace(STREAMS[stream], examples=examples)
    evaluation = Evaluation(every=max(1, tasks.tasks * tasks.examples // 40))
    return Experiment(tasks, setting.method, memory, setting.lr, evaluation=evaluation, seed=seed)


def table(number: int, *, examples: int | None = None, seed: int = 0) -> list[Experiment]:
    """The runs behind a table of the MER paper, for the methods that everlearn has; online learning once a stream.

    Args:
        number: 1 (memory of 5120), 2 (three memories), 3 (Many Permutations), 6 (replay and MER in
            all their forms), or 7, 8, 9 (everything on Rotations, Permutations, Many Permutations).
        examples: of each task, for shorter streams than the paper's.
        seed: of everything random.

    Raises:
        InputError: there is no such table here; the message lists those there are.

    >>> [f"{one.folder():.20}" for one in table(3)]
    ['permutations-online-', 'permutations-mer-512', 'permutations-mer-500']
    """
    if number not in TABLES:
        raise InputError(f"there is no table {number} here; there are: {', '.join(map(str, TABLES))}")
    at = TABLES[number]
    return [
        paper(stream, method, memory, examples=examples, seed=seed)
        for stream in at.streams
        for method in at.methods
        for memory in ([at.memories[-1]] if method == "online" else at.memories)
        if (stream, memory) in CHOSEN
    ]


def stream_name(config: dict) -> str:
    """The name of a recorded stream: `permutations` of 100 tasks are `many-permutations`.

    >>> stream_name({"name": "Permutations", "tasks": 100})
    'many-permutations'
    """
    name = config["name"].lower()
    return f"many-{name}" if name == "permutations" and config["tasks"] == STREAMS["many-permutations"].tasks else name


def method_name(config: dict) -> str:
    """The name of a recorded method, as in `METHODS`."""
    return next((name for name, method in METHODS.items() if method.__name__ == config["name"]), config["name"])
