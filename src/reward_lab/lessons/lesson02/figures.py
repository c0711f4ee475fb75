"""Figures of estimates with their uncertainty."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from reward_lab.plots import BLUE, GREEN, GREY, ORANGE, new_panels


def plot_intervals(
    panels: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    names: Sequence[str],
    title: str,
    xlabel: str,
) -> Figure:
    """One row per player: the estimate, with its 95 % interval, 1.96 standard errors to either side.

    Args:
        panels: panel title -> (estimates, standard errors), one per player.
        names: of the players, the first on top.
        title: the finding.
        xlabel: what the estimates are.
    """
    figure, axes = new_panels(len(panels), height=0.36 * len(names) + 1.5)
    rows = np.arange(len(names))
    for axis, (name, (estimates, errors)) in zip(axes, panels.items(), strict=True):
        estimates, errors = np.asarray(estimates), np.asarray(errors)
        axis.errorbar(
            estimates, rows, xerr=1.96 * errors, fmt="o", color=BLUE, ecolor=BLUE, capsize=4, linewidth=1.6
        )
        for row, estimate in enumerate(estimates):
            axis.annotate(
                f"{estimate:.2f}",
                (estimate, row),
                xytext=(0, 6),
                textcoords="offset points",
                ha="center",
                fontsize=8,
            )
        axis.axvline(0, color=GREY, linestyle=":")
        axis.set_yticks(rows, list(names))
        axis.set_ylim(len(names) - 0.5, -0.7)
        axis.set(xlabel=xlabel)
        axis.set_title(name, fontsize=10)
    figure.suptitle(title)
    return figure


def plot_lines(
    lines: Mapping[str, Sequence[float]],
    title: str,
    xlabel: str,
    ylabel: str,
    xscale: str = "linear",
    yscale: str = "linear",
) -> Figure:
    """One line per entry, each in its own colour and style, against the numbers 0, 1, 2, ... of its values."""
    figure, (axis,) = new_panels(1, width=8.5)
    first = 1 if xscale == "log" else 0  # a logarithmic axis has no 0
    styles = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (GREY, ":"))
    for (name, values), (colour, style) in zip(lines.items(), styles, strict=False):
        axis.plot(range(first, len(values)), values[first:], color=colour, linestyle=style, label=name)
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title, xscale=xscale, yscale=yscale)
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure
