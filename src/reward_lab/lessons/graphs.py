"""Drawings of graphs and of data that flows, transparent, in colours that read on white and on dark."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reward_lab.plots import new_panels

MIDDLE = "#808080"
"""A grey that reads on white and on dark."""
SKY, AMBER, MINT = "#2b8fd0", "#e0701a", "#12a67c"
"""Blue, orange and green of the same kind."""


def blank(count: int, width: float, height: float) -> tuple[Figure, Sequence[Axes]]:
    """A transparent figure with so many panels side by side, without axes. Width and height of one, in inches."""
    figure, axes = new_panels(count, width, height)
    figure.patch.set_alpha(0)
    for axis in axes:
        axis.axis("off")
    return figure, axes


def box(axis: Axes, place: tuple[float, float], text: str, colour: str = SKY, size: float = 10) -> None:
    """Words in a rounded frame, whose middle is here."""
    frame = {"boxstyle": "round,pad=0.5", "facecolor": "none", "edgecolor": colour, "linewidth": 1.6}
    axis.text(*place, text, ha="center", va="center", fontsize=size, color=MIDDLE, bbox=frame)


def arrow(
    axis: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: str = MIDDLE,
    bend: float = 0.0,
    gap: float = 0.0,
) -> None:
    """An arrow; `bend` makes it an arc, `gap` ends it so many points before either place."""
    style = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.5, "shrinkA": gap, "shrinkB": gap}
    axis.annotate("", end, start, arrowprops={**style, "connectionstyle": f"arc3,rad={bend}"})


def win_graph(axis: Axes, names: Sequence[str], beat: Mapping[tuple[int, int], str], title: str) -> None:
    """Players on a circle, and an arrow from i to j where i ever beat j.

    Args:
        axis: where to draw.
        names: of the players, clockwise from the top.
        beat: (i, j) -> the arrow's colour.
        title: what the graph shows.
    """
    angle = np.pi / 2 - 2 * np.pi * np.arange(len(names)) / len(names)
    places = [(float(np.cos(a)), float(np.sin(a))) for a in angle]
    for (i, j), colour in beat.items():
        bend = 0.18 if (j, i) in beat else 0.0
        arrow(axis, places[i], places[j], colour, bend, gap=15)
    for name, place in zip(names, places, strict=True):
        axis.plot(*place, "o", markersize=24, markerfacecolor="none", markeredgecolor=MIDDLE)
        axis.text(*place, name, ha="center", va="center", fontsize=11, color=MIDDLE)
    axis.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), aspect="equal")
    axis.set_title(title, fontsize=10, color=MIDDLE)
