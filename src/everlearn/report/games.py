"""Games in the report: a table of the arms, their scores over time, and films of agents at play."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import Any

from everlearn.report.figures import every_game
from everlearn.report.html import settings, table
from everlearn.report.lives import LAST, Life, Lives, gap
from everlearn.report.results import Interval
from everlearn.report.text import aligned, ruled

HEADINGS = ("arm", "seeds", "rate", "learned", "at the end", "task 1 learned", "task 1 at the end", "hits", "frames/s")

SECTION = Template("""<section>
<h2>$title</h2>
<p>$caption</p>
$table
<p>$gaps</p>
<h2>Every task</h2>
<p>One line a task, from the first (blue) to the last (red), the mean over seeds; thick while the task is in training.
A line that falls after its task has passed is forgetting; where the thick one falls too, it is more than that.
$dotted</p>
<div class="figures">
$figures
</div>
$films
$settings
</section>""")

FILMS = Template("""<h2>At play</h2>
<p>The agents of seed $seed, right after a task's own training and at the end of all.</p>
<div class="films">
$films
</div>""")


def game_rows(group: Sequence[Lives]) -> list[tuple[str, ...]]:
    """One row an arm, as in `HEADINGS`."""
    return [_row(lives, name) for lives, name in zip(group, arm_names(group), strict=True)]


def arm_names(group: Sequence[Lives]) -> list[str]:
    """What to call each arm; where several have one name, with the settings in which they differ."""
    settings = [{"rate": lives.experiment.lr, **lives.experiment.config()["method"]} for lives in group]
    called = []
    for lives, own in zip(group, settings, strict=True):
        like = [other for one, other in zip(group, settings, strict=True) if one.name == lives.name]
        telling = [key for key, value in own.items() if any(other.get(key) != value for other in like)]
        called.append(lives.name + "".join(f", {key} {_short(own[key])}" for key in telling))
    return called


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _row(lives: Lives, name: str) -> tuple[str, ...]:
    own, last = lives.first()
    return (
        name,
        str(len(lives.runs)),
        f"{lives.experiment.lr:.3g}",
        *map(_score, (lives.learned(), lives.at_end(), own, last)),
        _score(lives.hits()) + " %" if lives.experiment.sequence.startswith("catcher") else "–",
        f"{sum(run.speed for run in lives.runs) / len(lives.runs):,.0f}",
    )


def _score(value: Interval) -> str:
    return f"{value:z.{decimals(value.half)}f}"


def decimals(half: float | None) -> int:
    """How many of a score mean something, where half of its interval is so much; None is of a single seed."""
    return 0 if half is not None and half >= 10 else 1


def game_title(group: Sequence[Lives]) -> str:
    """The sequence, and what was observed."""
    experiment = group[0].experiment
    tasks = group[0].runs[0].tasks
    seen = (
        ""
        if experiment.pixels is None
        else f", {experiment.stack} pictures of {experiment.pixels} × {experiment.pixels}"
    )
    return f"{experiment.sequence}: {tasks} tasks of {experiment.frames:,} frames{seen}"


def game_caption(group: Sequence[Lives]) -> str:
    """What a reader must know to read the table."""
    trials = group[0].experiment.trials
    return (
        f"Scores are sums of rewards: means over tasks and episodes, {trials.episodes} of each task in each trial, cut "
        f"off after {trials.limit:,} frames.\n"
        f"Learned: each task at the end of its own training (the last {LAST} trials in it). At the end: of all "
        "(likewise).\nHits: of Catcher, the share of fruits that paid: caught, or dodged where that is asked for. ± is "
        "half of a 95 % interval over seeds."
    )


def gaps(group: Sequence[Lives]) -> list[str]:
    """The last arm against each other one, at the end, over the seeds that both have."""
    *others, ours = zip(group, arm_names(group), strict=True)
    told = []
    for other, name in others:
        found = gap(ours[0], other)
        if found is not None:
            told.append(f"{ours[1]} less {name} at the end: {found.mean:+.1f} ± {found.half:.1f}")
    return told


def game_table(groups: Sequence[Sequence[Lives]]) -> str:
    """The tables for a terminal."""
    return "\n\n".join(_one_table(group) for group in groups)


def _one_table(group: Sequence[Lives]) -> str:
    text, _ = aligned([HEADINGS, *game_rows(group)])
    return "\n".join([game_title(group), *ruled(text), *gaps(group), game_caption(group)])


def game_section(group: Sequence[Lives]) -> str:
    """A part of the page."""
    return SECTION.substitute(
        title=escape(game_title(group)),
        caption=escape(game_caption(group)).replace("\n", "<br>"),
        table=table(HEADINGS, game_rows(group)),
        gaps="<br>".join(map(escape, gaps(group))),
        dotted="Dotted: the paper's own, read off its figures." if any(lives.published[0] for lives in group) else "",
        figures="\n".join(f"<figure>{figure}</figure>" for figure in every_game(group, arm_names(group))),
        films=_films(group),
        settings=settings((one.experiment.config(), one.seeds, one.runs[0].versions) for one in group),
    )


def _films(group: Sequence[Lives]) -> str:
    """Films of each arm's first seed; nothing where the networks are not beside the records."""
    shown = [
        _film(lives.runs[0], name, task, after)
        for lives, name in zip(group, arm_names(group), strict=True)
        for task in range(lives.runs[0].tasks)
        for after in dict.fromkeys((task + 1, lives.runs[0].tasks))
        if lives.runs[0].has_networks
    ]
    return FILMS.substitute(seed=group[0].seeds[0], films="\n".join(shown)) if shown else ""


def _film(life: Life, name: str, task: int, after: int) -> str:
    from everlearn.rl import film  # noqa: PLC0415

    agent = life.experiment.agent_after(life.folder, after)
    env = life.experiment.environment().make(task, render_mode="rgb_array")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "film.gif"
        film(agent, env, path)
        picture = b64encode(path.read_bytes()).decode()
    told = escape(f"{name}: task {task + 1} after task {after}")
    image = f'<img src="data:image/gif;base64,{picture}" alt="{told}">'
    return f"<figure>{image}<figcaption>{told}</figcaption></figure>"
