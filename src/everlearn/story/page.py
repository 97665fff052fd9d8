"""The story as one HTML page, in plain words."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from statistics import fmean
from string import Template

import numpy as np

from everlearn.report.html import page
from everlearn.story import figures
from everlearn.story.addition import Course
from everlearn.story.dilemma import STREAM, Point
from everlearn.story.tradeoff import STREAM as LONGER
from everlearn.story.tradeoff import Microscope

TITLE = "Why networks forget, and what to do about it"

_BODY = Template(files("everlearn.story").joinpath("page.html").read_text("utf-8"))


def story_page(
    plain: Sequence[Course],
    mer: Sequence[Course],
    points: Mapping[str, Sequence[Point]],
    seen: Mapping[str, Microscope],
) -> str:
    """The whole page.

    Args:
        plain, mer: courses in addition, without MER and with it.
        points: of the dilemma, by method.
        seen: under the microscope, by method.
    """
    middle = {method: own[len(own) // 2] for method, own in points.items()}
    limit = float(np.quantile(np.abs([one.matrices for one in seen.values()]), 0.99))
    body = _BODY.substitute(
        before=_percent(fmean(one.ones[0] for one in plain)),
        once=_percent(fmean(one.ones[1] for one in plain)),
        twice=_percent(fmean(one.ones[2] for one in plain)),
        networks=len(plain),
        plain=figures.amnesia(plain, "Ones and twos, plain learning", published=True),
        mer=figures.amnesia(mer, "Ones and twos, with MER"),
        ones_kept=_percent(fmean(one.ones[-1] for one in mer)),
        twos_known=_percent(fmean(one.twos[-1] for one in mer)),
        ones_worst=_percent(min(fmean(right) for right in zip(*(one.ones for one in mer), strict=True))),
        tasks=STREAM.tasks,
        examples=f"{STREAM.length:,}",
        dilemma=figures.dilemma(points),
        mer_kept=_percent(middle["MER"].stability),
        mer_learned=_percent(middle["MER"].plasticity),
        er_kept=_percent(middle["ER"].stability),
        er_learned=_percent(middle["ER"].plasticity),
        map_tasks=LONGER.tasks,
        maps="\n".join(f"<figure>{figures.heat_maps(name, own, limit)}</figure>" for name, own in seen.items()),
        means=_listed({name: f"{fmean(own.cosines):+.3f}" for name, own in seen.items()}),
        **{
            f"dots_{when}": _listed({name: f"{own.dots[when]:+.2f}" for name, own in seen.items()})
            for when in ("before", "after")
        },
        opposed=_listed({name: f"{100 * np.mean(np.array(own.cosines) < -0.2):.1f} %" for name, own in seen.items()}),
        distribution=figures.distribution(seen),
        stream=figures.over_the_stream(seen),
    )
    return page(TITLE, body)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def _listed(values: Mapping[str, str]) -> str:
    *most, last = (f"{value} for {name}" for name, value in values.items())
    return f"{', '.join(most)} and {last}"
