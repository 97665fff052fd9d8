"""An experiment with games as a value: a sequence of tasks, a method, a memory, a network and a seed."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import nn

from everlearn import checkpoint, methods, recorded
from everlearn.memory import Fifo, Reservoir
from everlearn.models import mlp
from everlearn.models.initial import Initial
from everlearn.models.nature import PIXELS, nature
from everlearn.optimizers import OPTIMIZERS
from everlearn.ranges import at_least, one_of, positive
from everlearn.record import Record
from everlearn.rl.agent import DQN, Epsilon
from everlearn.rl.arms import arm_name
from everlearn.rl.changing import Changing, Schedule
from everlearn.rl.play import Episode, Event, Frame, Trial, Trials, live
from everlearn.rl.sequences import FRAMES, SEQUENCES
from everlearn.types import InputError, Memory, Method

NETWORK = "after-{}.safetensors"
"""In a run's folder: the network as it was after so many tasks."""


def experiment_of(folder: Path) -> "GameExperiment":
    """The experiment that a folder holds a run of.

    Raises:
        InputError: it holds none, or one of another kind.
    """
    first = next(Record(folder).lines(), None)
    if first is None or "sequence" not in first["config"]:
        raise InputError(f"{folder} holds no run of a game")
    config: dict[str, Any] = dict(first["config"])
    method = dict(config["method"])
    name = method.pop("name")
    if name not in methods.__all__:
        raise InputError(f"{folder} holds a run of {name}, which is no method of everlearn's")
    tasks = config.pop("tasks", None)
    try:
        config["method"] = getattr(methods, name)(**method)
        config["epsilon"], config["trials"] = Epsilon(**config["epsilon"]), Trials(**config["trials"])
        experiment = GameExperiment(**config)
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder} holds a run with settings that everlearn has not: {error}") from error
    if experiment.config()["tasks"] != tasks:
        raise InputError(f"{folder} holds a run of other tasks than {experiment.sequence} now has")
    return experiment


@dataclass(frozen=True)
class GameExperiment:
    """One life of a DQN, whole. Everything random follows from `seed`."""

    sequence: str
    """One of `SEQUENCES`."""
    method: Method
    """How a transition is learned."""
    keep: Literal["fifo", "reservoir"] = "reservoir"
    """What the memory keeps: the last transitions, or a uniform sample of all."""
    memory: int = 50_000
    """Transitions that it holds at most."""
    lr: float = 0.01
    """The learning rate."""
    optimizer: Literal["sgd", "adam", "rmsprop"] = "sgd"
    """Plain SGD, or Adam or RMSProp as torch has them by default."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers; without any it is the convolutional network of Mnih et al. 2015, for pictures."""
    initial: Initial = "xavier"
    """Weights and biases of the network, as `mlp` has them."""
    pixels: int | None = None
    """Height and width of the pictures that are observed; by default numbers are."""
    stack: int = 1
    """Frames that are observed together."""
    frames: int = FRAMES
    """Of each task."""
    discount: float = 0.99
    """Of what comes a frame later."""
    epsilon: Epsilon = field(default_factory=Epsilon)
    """How often an action is drawn by lot."""
    target_every: int = 500
    """Frames from one copy of the network to the next."""
    clip: float = 1.0
    """Rewards are cut to ± this before they are learned."""
    begin: int = 0
    """Frames whose transitions are only remembered."""
    trials: Trials = field(default_factory=Trials)
    """When the agent is tried on all tasks."""
    seed: int = 0
    """Of the tasks, the weights, the memory, the method and the actions drawn by lot."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
        at_least(1, memory=self.memory, frames=self.frames)
        at_least(0, seed=self.seed)
        positive(lr=self.lr)
        if not self.hidden and self.pixels != PIXELS:
            raise InputError(f"the convolutional network needs pictures: pixels={PIXELS}, not {self.pixels}")
        one_of(SEQUENCES, sequence=self.sequence)
        one_of(("fifo", "reservoir"), keep=self.keep)
        one_of(OPTIMIZERS, optimizer=self.optimizer)
        one_of(get_args(Initial), initial=self.initial)
        if self._is_viewed and not str(SEQUENCES[self.sequence][0]).startswith("everlearn/"):
            raise InputError(f"pixels and stack are for everlearn's own games, not for {self.sequence}")

    @property
    def length(self) -> int:
        """Frames of all tasks."""
        return self.frames * len(SEQUENCES[self.sequence][1])

    @property
    def unit(self) -> str:
        """What its length is counted in."""
        return "fr"

    @property
    def label(self) -> str:
        """A short name."""
        return f"{self.arm} seed {self.seed}"

    @property
    def arm(self) -> str:
        """Which of `arms.ARMS` it is; otherwise the method, and what is kept."""
        return arm_name(self.method, self.keep)

    def progress(self, event: Event) -> tuple[int, str] | None:
        """Frames lived, and the task, epsilon and the last episode's score."""
        if not isinstance(event, Frame):
            return None
        last = "" if event.last is None else f", score {event.last:g}"
        return event.frame, f"task {event.task + 1}, ε {event.epsilon:.2f}{last}"

    def config(self) -> dict[str, Any]:
        """All settings as JSON has them, the method with its class's name, the tasks with all that they are."""
        settings = asdict(self)
        method = {"name": type(self.method).__name__, **settings["method"]}
        return settings | {"method": method, "hidden": list(self.hidden), "tasks": self._tasks()}

    def _tasks(self) -> list[dict[str, Any]]:
        make, _ = SEQUENCES[self.sequence]
        of = make if isinstance(make, str) else getattr(make, "__name__", str(make))
        return [{"of": of, **keywords} for _, keywords in self._schedule()]

    def _schedule(self) -> Schedule:
        """The sequence's, with this life's frames and view."""
        seen = {"pixels": self.pixels, "stack": self.stack} if self._is_viewed else {}
        schedule = SEQUENCES[self.sequence][1]
        return [(i * self.frames, {**keywords, **seen}) for i, (_, keywords) in enumerate(schedule)]

    def folder(self) -> str:
        """A name for the run's folder; runs that differ only in the seed share all but its end."""
        config = {name: value for name, value in self.config().items() if name != "seed"}
        names = f"{self.sequence}-{type(self.method).__name__.lower()}-{self.keep}"
        return f"{names}-{recorded.key(config)}-seed{self.seed}"

    def environment(self) -> Changing:
        """The tasks."""
        return Changing(SEQUENCES[self.sequence][0], self._schedule())

    @property
    def _is_viewed(self) -> bool:
        return (self.pixels, self.stack) != (None, 1)

    def agent(self) -> DQN:
        """The agent as it begins."""
        spaces: Any = self.environment()
        actions = int(spaces.action_space.n)
        network = self._network(spaces.observation_space.shape, actions)
        return DQN(
            network,
            OPTIMIZERS[self.optimizer](network.parameters(), lr=self.lr),
            actions,
            method=self.method,
            memory=self._memory(),
            discount=self.discount,
            epsilon=self.epsilon,
            target_every=self.target_every,
            clip=self.clip,
            begin=self.begin,
            seed=self.seed,
        )

    def _network(self, seen: tuple[int, ...], actions: int) -> nn.Sequential:
        if not self.hidden:
            return nature(actions, self.stack, initial=self.initial, seed=self.seed)
        layers = mlp([prod(seen), *self.hidden, actions], initial=self.initial, seed=self.seed)
        return layers if len(seen) == 1 else nn.Sequential(nn.Flatten(), *layers)

    def _memory(self) -> Memory:
        return (Fifo if self.keep == "fifo" else Reservoir)(self.memory, seed=self.seed)

    def agent_after(self, folder: Path, tasks: int) -> DQN:
        """The agent as it was after so many tasks of a run, without its memory.

        Raises:
            InputError: the run is not so far, or its networks were removed.
        """
        agent = self.agent()
        agent.learner.model.load_state_dict(checkpoint.load(folder / NETWORK.format(tasks)))
        return agent

    def is_finished(self, folder: Path) -> bool:
        """Whether a folder holds this run, whole."""
        return recorded.is_finished(folder, self.config())

    def perform(self, folder: Path) -> Iterator[Event]:
        """Run into a folder, or go on from the last trial there; nothing where it is finished.

        Without trials it goes on from the last task's end.
        The record holds the trials; beside it is the network as it was after each task. A run that goes on
        gives the same numbers as an unbroken one: agent and memory are saved, and the environment is taken to
        where it was by the same actions.

        Args:
            folder: of this run alone.

        Yields:
            The events, as `live` does.

        Raises:
            InputError: the folder holds a run of other settings, or another process is running there.
            OSError: the disk is full; the record is whole up to the last event.
        """
        life = partial(self._life, folder)
        return recorded.perform(folder, self.config(), self.agent().learner.path, life, (Frame, Episode))

    def _life(self, folder: Path, state: dict[str, Any] | None) -> Iterator[tuple[Event, dict[str, Any] | None]]:
        agent, lived = self.agent(), []
        if state is not None:
            agent.load_state_dict(state)
            lived = state["actions"].tolist()
        before = tuple(lived)
        for event in live(agent, self.environment(), self.length, trials=self.trials, seed=self.seed, lived=before):
            is_last = isinstance(event, Frame) and event.frame % self.frames == 0
            if isinstance(event, Frame):
                lived.append(event.action)
                if is_last:
                    checkpoint.save(
                        agent.learner.model.state_dict(), folder / NETWORK.format(event.frame // self.frames)
                    )
            if isinstance(event, Trial) or (self.trials.every == 0 and is_last):
                yield event, agent.state_dict() | {"actions": torch.tensor(lived, dtype=torch.uint8)}
            else:
                yield event, None
