"""Figures as SVG elements that take their text colour from the page."""

import io
import re
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#0a0b0c"
"""Drawn in this colour, then replaced by the page's own: the figures follow light and dark."""

COLOURS = ("#2f7ed8", "#e0672a", "#1c9a6c", "#c050a8", "#b58a12", "#7a6ae0", "#d64550")
"""Of like lightness, so that each can be told on white and on black."""

_STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def style() -> AbstractContextManager[None]:
    """Within, figures are drawn as the pages want them."""
    return mpl.rc_context(_STYLE)


def grid(axes: Axes) -> None:
    """Faint lines to read values by."""
    axes.grid(color=INK, alpha=0.12, linewidth=0.6)


def svg(figure: Figure, title: str) -> str:
    """The figure as an <svg> element that scales with its place and names itself to screen readers."""
    file = io.StringIO()
    # The salt keeps the identifiers of one page's figures apart.
    with mpl.rc_context({"svg.hashsalt": title}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Title": title})
    _, start, rest = file.getvalue().partition("<svg ")
    rest = re.sub(r'(width|height)="[^"]*pt" ', "", rest, count=2)
    return start + 'role="img" ' + rest.replace(INK, "currentColor")
