"""Commands that run experiments and show what came of them."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from everlearn.cli.shown import check_page, launch_and_show, show
from everlearn.experiment import Experiment
from everlearn.launch import Launched
from everlearn.presets import CHOSEN, METHODS, STREAMS, TABLES, paper, sizes, table
from everlearn.ranges import at_least
from everlearn.run import Evaluation
from everlearn.story import tell
from everlearn.streams.datasets import DATASETS, load
from everlearn.types import InputError


def _choice(options: dict[str, Any]) -> Any:
    """A subcommand for each of some settings, described by the first line of its class."""
    about = {name: _about(type(value)) for name, value in options.items()}
    return tyro.extras.subcommand_type_from_defaults(options, about, prefix_names=False)


def _about(thing: Any) -> str:
    return (thing.__doc__ or "").partition("\n")[0]


StreamChoice = _choice(STREAMS)
MethodChoice = _choice({name: method() for name, method in METHODS.items()})

Out = Annotated[Path, tyro.conf.arg(aliases=["-o"])]


@dataclass(frozen=True)
class Run:
    """Take one method through one stream, over several seeds: everlearn run rotations mer."""

    stream: StreamChoice  # ty: ignore[invalid-type-form]
    """What to learn."""
    method: MethodChoice  # ty: ignore[invalid-type-form]
    """How to learn it."""
    memory: int = 200
    """Rows that the memory holds at most; methods that replay nothing have none."""
    lr: float = 0.1
    """Learning rate (the paper's alpha)."""
    hidden: tuple[int, ...] = ()
    """Widths of the hidden layers, or filters of Omniglot's convolutions; by default the paper's."""
    optimizer: Literal["sgd", "adam", "rmsprop"] = "sgd"
    """Plain SGD, or Adam or RMSProp as torch has them by default."""
    keep: Literal["reservoir", "ring"] = "reservoir"
    """What the memory keeps: a uniform sample, or the last rows of each task, as it always does for GEM."""
    normalised: bool = True
    """Whether Omniglot's network has normalisation; the others have none."""
    alignment: int = 0
    """Batches from one reading of the gradients' alignment to the next; 0 takes none."""
    seeds: int = 1
    """How many seeds, from --seed on."""
    evaluation: Evaluation = field(default_factory=lambda: Evaluation(every=500))
    out: Out = Path("runs")
    """Folder for the records; what is recorded there is not run again, what was cut short goes on."""
    workers: int | None = None
    """Runs at once; by default one a core."""

    def __call__(self) -> int:
        at_least(1, seeds=self.seeds)
        settings = {one.name: getattr(self, one.name) for one in fields(Experiment) if one.name != "seed"}
        first = Experiment(**settings, seed=self.stream.seed)
        _get_data([first])
        return launch_and_show([replace(first, seed=first.seed + i) for i in range(self.seeds)], self.out, self.workers)


@dataclass(frozen=True)
class Paper:
    """The MER paper's tables, and experiments with games: list them, or run one; or any methods side by side."""

    table: int | None = None
    """A table of the paper: all its runs, or those of --stream, --memory and --methods."""
    figure: Literal["states", "printed", "pixels", "convolutions", "odds", "turned"] | None = None
    """An experiment with games: all its runs, or those of --sequences and --arms."""
    stream: Literal["rotations", "permutations", "many-permutations", "omniglot"] | None = None
    """The stream; without this and --table, the tables are listed and what is recorded of each."""
    memory: int | None = None
    """Rows that the memory holds at most: 5120, 500 or 200, as in the paper; without --table, the fewest."""
    methods: tuple[str, ...] | None = None
    """Such as mer, er and online, which they are without --table where the paper has them; everlearn list names all."""
    sequences: tuple[str, ...] | None = None
    """Of a figure, such as catcher-dodge."""
    arms: tuple[str, ...] | None = None
    """Of a figure, such as dqn and dqn-mer."""
    frames: int | None = None
    """Of each task of a figure; by default as many as it has."""
    seeds: int = 3
    """How many seeds, from --first-seed on."""
    first_seed: int = 0
    """The first seed."""
    examples: int | None = None
    """Examples of each task; by default as many as in the paper."""
    out: Out = Path("runs")
    """Folder for the records and the report; what is recorded there is not run again."""
    workers: int | None = None
    """Runs at once; by default one a core."""

    def __call__(self) -> int:
        at_least(1, seeds=self.seeds)
        if self.figure is not None:
            self._refuse("with a --figure there are no", "table", "stream", "memory", "methods", "examples")
            return launch_and_show(self._lives(self.figure), self.out, self.workers, report=self.out / "report.html")
        self._refuse("without a --figure there are no", "sequences", "arms", "frames")
        if self.table is None and self.stream is None:
            self._refuse("without a --stream or a --table there are no", "memory", "methods", "examples")
            return self._list()
        experiments = self.experiments()
        _get_data(experiments)
        return launch_and_show(experiments, self.out, self.workers, report=self.out / "report.html", table=self.table)

    def _refuse(self, why: str, *names: str) -> None:
        given = [f"--{name}" for name in names if getattr(self, name) is not None]
        if given:
            raise InputError(f"{why} {', '.join(given)}")

    def _list(self) -> int:
        """Tell what tables and figures there are, and how much of each is recorded."""
        runs = f"seeds {self.first_seed} to {self.first_seed + self.seeds - 1}"
        print(f"{'table':<14}{'what it compares':<64}recorded in {self.out}, {runs}")
        for number, about in TABLES.items():
            self._tell(str(number), about.about, replace(self, table=number).experiments())
        if find_spec("gymnasium") is None:
            print("\nFor the figures, of games: pip install 'everlearn[rl]'")
        else:
            from everlearn.rl.comparisons import COMPARISONS  # noqa: PLC0415

            print("figure")
            for name, about in COMPARISONS.items():
                self._tell(name, about.about, self._lives(name))
        print("\nTo run what is missing of one: everlearn paper --table 2 --seeds 5")
        return 0

    def _tell(self, name: str, about: str, wanted: Sequence[Launched]) -> None:
        done = sum(one.is_finished(self.out / one.folder()) for one in wanted)
        print(f"{name:<14}{about:<64}{done} of {len(wanted)} runs")

    def _seeds(self) -> range:
        return range(self.first_seed, self.first_seed + self.seeds)

    def experiments(self) -> list[Experiment]:
        """The runs of a table or a stream, seed by seed."""
        return [one for seed in self._seeds() for one in self._of_seed(seed)]

    def _lives(self, figure: str) -> list[Launched]:
        from everlearn.rl.comparisons import comparison  # noqa: PLC0415

        own = self.sequences, self.arms
        return [one for seed in self._seeds() for one in comparison(figure, *own, frames=self.frames, seed=seed)]

    def _of_seed(self, seed: int) -> list[Experiment]:
        if self.table is None:
            stream = self.stream or "rotations"
            memory = self.memory or sizes(stream)[-1]
            methods = self.methods
            if methods is None:
                have = CHOSEN.get((stream, memory), ())
                methods = tuple(name for name in ("mer", "er", "online") if name in have) or ("mer",)
            at_least(1, methods=len(methods))
            return [paper(stream, method, memory, examples=self.examples, seed=seed) for method in methods]
        wanted = table(self.table, self.stream, self.memory, self.methods, examples=self.examples, seed=seed)
        if not wanted:
            raise InputError(f"table {self.table} has no runs of that stream, memory and methods")
        return wanted


@dataclass(frozen=True)
class Report:
    """Read records and write one HTML page with tables and figures."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs, or folders of such folders."""
    out: Out = Path("report.html")
    """The page."""

    def __call__(self) -> int:
        if not self.runs:
            raise InputError("name the folders of the runs, such as: everlearn report runs")
        check_page(self.out)
        show(self.runs, self.out)
        print(f"\nreport: {self.out.resolve()}")
        return 0


@dataclass(frozen=True)
class Story:
    """See how a network forgets, and what to do: runs a few small experiments and writes one page."""

    out: Out = Path("story.html")
    """The page."""
    workers: int | None = None
    """Experiments at once; by default one a core."""

    def __call__(self) -> int:
        if self.workers is not None:
            at_least(1, workers=self.workers)
        check_page(self.out)
        tell(self.out, self.workers)
        print(f"story: {self.out.resolve()}")
        return 0


@dataclass(frozen=True)
class Play:
    """Watch an agent of a recorded run play its game in the terminal: everlearn play RUN --task 1 --after 6."""

    run: tyro.conf.Positional[Path]
    """The run's folder."""
    task: int = 1
    """Which of the run's tasks is played."""
    after: int | None = None
    """The agent as it was after so many tasks; by default after the last."""
    frames: int = 600
    """How many."""
    speed: float = 30
    """Frames a second."""
    seed: int = 0
    """Of the first episode."""

    def __call__(self) -> int:
        from everlearn.rl import terminal  # noqa: PLC0415

        settings = {"task": self.task, "after": self.after, "frames": self.frames, "speed": self.speed}
        terminal.play(self.run, sys.stdout, **settings, seed=self.seed)
        return 0


@dataclass(frozen=True)
class List:
    """List the streams, methods, data sets and games there are."""

    def __call__(self) -> int:
        groups = {
            "streams": {name: _about(type(stream)) for name, stream in STREAMS.items()},
            "methods": {name: _about(method) for name, method in METHODS.items()},
            "of the paper, beside these": {
                name: " with ".join(name.rsplit("-", 1))
                for settings in CHOSEN.values()
                for name in settings
                if name not in METHODS
            },
            "data sets": {name: dataset.about for name, dataset in DATASETS.items()},
        }
        if find_spec("gymnasium") is not None:
            from everlearn.rl import SEQUENCES  # noqa: PLC0415
            from everlearn.rl.arms import ARMS  # noqa: PLC0415
            from everlearn.rl.comparisons import COMPARISONS  # noqa: PLC0415

            groups["games, for paper --figure"] = {name: own.about for name, own in COMPARISONS.items()}
            groups["their arms"] = {name: arm.about for name, arm in ARMS.items()}
            groups["their sequences, and others"] = {name: _tasks(own) for name, (_, own) in SEQUENCES.items()}
        for title, items in groups.items():
            print(f"{title}:")
            for name, about in items.items():
                print(f"  {name:<24}{about}")
        return 0


def _tasks(schedule: Sequence[tuple[int, Mapping[str, Any]]]) -> str:
    """How many there are, and what they differ in."""
    first, *others = (keywords for _, keywords in schedule)
    differing = [name for name, value in first.items() if any(other.get(name) != value for other in others)]
    return f"{len(schedule)} tasks that differ in {' and '.join(differing)}" if others else "one task that stays"


def _get_data(experiments: Sequence[Experiment]) -> None:
    """Before processes start that need it: once, and with its errors."""
    for data in dict.fromkeys(one.stream.data for one in experiments):
        load(data)
