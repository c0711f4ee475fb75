"""Figures of estimates with their uncertainty."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from reward_lab.lessons.graphs import AMBER, MIDDLE, MINT, arrow, blank, box, win_graph
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


def plot_from_games() -> Figure:
    """From comparisons to probabilities: games, table, abilities, and back to the chance of a game not yet played."""
    figure, (axis,) = blank(1, 8.6, 2.6)
    axis.set(xlim=(0, 10), ylim=(0, 2.6))
    box(axis, (1.1, 1.7), "games\nA beat B, C beat A,\nA beat B, ...")
    box(axis, (3.7, 1.7), "table of wins\n$w_{ij}$")
    box(axis, (6.0, 1.7), "abilities\n$a_i$", AMBER)
    box(axis, (8.7, 1.7), "probabilities\n$\\sigma(a_i - a_j)$", MINT)
    for start, end in ((2.15, 2.95), (4.5, 5.4), (6.6, 7.6)):
        arrow(axis, (start, 1.7), (end, 1.7))
    axis.text(4.95, 1.82, "fit", ha="center", color=MIDDLE)
    arrow(axis, (8.7, 1.1), (3.7, 1.1), bend=-0.18)
    axis.text(6.2, 0.3, "at the best fit: promised wins = wins", ha="center", color=MIDDLE)
    return figure


def plot_win_graphs() -> Figure:
    """Three graphs of wins: groups that never met, a group that never lost, and one that is strongly connected."""
    figure, axes = blank(3, 3.1, 3.3)
    names = "ABCDE"
    inside = {(0, 1): MIDDLE, (1, 0): MIDDLE, (2, 3): MIDDLE, (3, 4): MIDDLE, (4, 2): MIDDLE}
    down, up = {(0, 4): AMBER, (1, 2): AMBER}, {(3, 0): MINT}
    win_graph(axes[0], names, inside, "A, B and the rest never met:\nno estimate")
    win_graph(axes[1], names, inside | down, "A, B never lost to the rest:\nno estimate")
    win_graph(axes[2], names, inside | down | up, "one upset, D beat A:\na finite estimate")
    return figure


def plot_leaderboards(boards: Mapping[str, Sequence[tuple[str, float, float]]], title: str) -> Figure:
    """Rows (name, ability, standard error) of one or two leaderboards, with 95 % intervals, on the places of the first."""
    first = next(iter(boards.values()))
    figure, (axis,) = new_panels(1, width=8.0, height=0.36 * len(first) + 1.5)
    place = {name: row for row, (name, _, _) in enumerate(first)}
    shifts = np.linspace(-0.12, 0.12, len(boards)) if len(boards) > 1 else [0.0]
    for shift, (whose, rows), colour, marker in zip(
        shifts, boards.items(), (BLUE, ORANGE), "os", strict=False
    ):
        known = [row for row in rows if row[0] in place]
        heights = [place[name] + shift for name, _, _ in known]
        axis.errorbar(
            [ability for _, ability, _ in known], heights, xerr=[1.96 * error for *_, error in known],
            fmt=marker, color=colour, capsize=3, label=whose,
        )  # fmt: skip
    axis.set_yticks(range(len(first)), list(place))
    axis.set_ylim(len(first) - 0.5, -0.6)
    axis.axvline(0, color=GREY, linestyle=":")
    axis.set(xlabel="ability (log-odds), with 95 % interval", title=title)
    axis.legend(fontsize=8)
    return figure


def plot_agreement(ours: Sequence[float], published: Sequence[float], title: str) -> Figure:
    """Fitted abilities against printed ones, on the diagonal where they agree."""
    figure, (axis,) = new_panels(1, width=5.2)
    axis.axline((0, 0), slope=1, color=GREY, linestyle=":", label="agreement")
    axis.plot(published, ours, "o", color=BLUE, label="a team")
    axis.set(xlabel="ability, as printed (Baltimore at 0)", ylabel="ability, by the program", title=title)
    axis.legend(fontsize=8)
    return figure
