"""The figures of lesson 5."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from reward_lab.plots import BLUE, GREEN, GREY, ORANGE, new_diagram, new_panels
from reward_lab.statistics.evaluation import best_of_k_accuracy

from .experiments import Measured, colleagues_benchmark

Groups = Mapping[float, Sequence[Measured]]
"""Injected bias -> what was measured of each seed's model."""


def plot_what_is_measured() -> Figure:
    """A diagram: who judges, what is trained on it, and the two rulers that it is held against."""
    boxes = (
        (1.3, 1.7, "judge\nquality + bias * length", BLUE),
        (4.6, 1.7, "8,000 pairs", BLUE),
        (7.2, 1.7, "reward model", BLUE),
        (9.4, 2.8, "pairs of the\nsame judge", ORANGE),
        (9.4, 0.6, "judge without bias,\nedits", GREEN),
    )
    arrows = (
        ((2.8, 1.7), (3.8, 1.7), GREY),
        ((5.4, 1.7), (6.3, 1.7), GREY),
        ((7.9, 2.1), (8.5, 2.6), ORANGE),
        ((7.9, 1.3), (8.3, 0.8), GREEN),
    )
    figure, axis = new_diagram(boxes, arrows, size=(8.4, 2.9), limits=(10.6, 3.4))
    axis.annotate("", (8.5, 3.0), (1.3, 2.35), arrowprops={
        "arrowstyle": "->", "color": ORANGE, "linestyle": "--", "connectionstyle": "arc3,rad=-0.12"})  # fmt: skip
    axis.text(4.6, 3.15, "the same bias on both ends", ha="center", fontsize=9, color=ORANGE)
    return figure


def plot_two_judges(measured: Groups) -> Figure:
    """Held-out accuracy with the own judge and with one without bias, against the injected bias; limits dashed."""
    figure, (axis,) = new_panels(1, width=6.4, height=4.0)
    x = list(measured)
    for name, limit, color, marker, label in (
        ("accuracy", "ceiling", ORANGE, "s", "the same judge"),
        ("fair_accuracy", "fair_ceiling", GREEN, "o", "a judge without bias"),
    ):
        means = [np.mean([getattr(m, name) for m in group]) for group in measured.values()]
        axis.plot(x, means, color=color, label=label)
        axis.plot(x, [getattr(group[0], limit) for group in measured.values()], "--", color=color, alpha=0.7,
                  label=f"best possible, {label}")  # fmt: skip
        for lam, group in measured.items():
            axis.plot([lam] * len(group), [getattr(m, name) for m in group], marker, color=color, alpha=0.6)
    axis.set(xlabel="bias of the judge, per word", ylabel="accuracy on held-out pairs", xticks=x)
    axis.legend(fontsize=8)
    return figure


def plot_recovered(worlds: Mapping[str, Groups]) -> Figure:
    """Recovered against injected bias, by three measures, one panel a world."""
    figure, axes = new_panels(len(worlds))
    ways = (
        ("effect", GREEN, "o", "-", "edit: one more filler"),
        ("slope", BLUE, "s", "--", "slope at equal quality"),
        ("naive_slope", ORANGE, "^", ":", "slope, length alone"),
    )
    for axis, (world, measured) in zip(axes, worlds.items(), strict=True):
        axis.axline((0, 0), slope=1, color=GREY, linewidth=1)
        for number, (name, color, marker, line, label) in enumerate(ways):
            x = np.array(list(measured)) + 0.012 * (number - 1)  # side by side
            values = np.array([[getattr(m, name) for m in group] for group in measured.values()])
            axis.plot(x, values.mean(axis=1), color=color, linestyle=line, label=label)
            axis.plot(
                np.repeat(x, values.shape[1]), values.ravel(), marker, color=color, alpha=0.55, markersize=5
            )
        axis.set(title=world, xlabel="injected bias, per word", xticks=list(measured))
    low = min(axis.get_ylim()[0] for axis in axes)
    high = max(axis.get_ylim()[1] for axis in axes)
    for axis in axes:
        axis.set_ylim(low, high)
    axes[0].set_ylabel("recovered bias, per word")
    axes[0].legend(fontsize=8)
    return figure


def plot_controlled(runs: Sequence[tuple[float, float, float, float]]) -> Figure:
    """Win rates of the verbose writer, one dot a run: (bias, raw, length-controlled, with a judge without bias)."""
    figure, (axis,) = new_panels(1, width=6.4, height=3.8)
    rows = np.array(runs)
    for column, color, marker, shift, label in (
        (1, ORANGE, "^", -0.012, "raw"),
        (2, BLUE, "s", 0.0, "length-controlled"),
        (3, GREEN, "o", 0.012, "judge without bias"),
    ):
        axis.plot(rows[:, 0] + shift, rows[:, column], marker, color=color, alpha=0.7, label=label)
    axis.axhline(0.5, color=GREY, linewidth=1)
    axis.set(
        xlabel="bias of the judge, per word",
        ylabel="win rate of the verbose writer",
        xticks=sorted({row[0] for row in runs}),
    )
    axis.legend(fontsize=8)
    return figure


def plot_styles(styles: Mapping[float, Sequence[Mapping[str, float]]]) -> Figure:
    """Accuracy on easy, normal and hard comparisons for each bias: bars of the mean, dots of the seeds."""
    figure, (axis,) = new_panels(1, width=6.4, height=3.8)
    for number, (kind, color, hatch) in enumerate(
        (("easy", BLUE, ""), ("normal", GREEN, "//"), ("hard", ORANGE, ".."))
    ):
        x = np.arange(len(styles)) + 0.27 * (number - 1)
        values = np.array([[s[kind] for s in group] for group in styles.values()])
        axis.bar(x, values.mean(axis=1), 0.25, color=color, alpha=0.55, hatch=hatch, label=kind)
        axis.plot(np.repeat(x, values.shape[1]), values.ravel(), "o", color=GREY, markersize=3)
    axis.axhline(0.5, color=GREY, linestyle=":", label="guessing")
    axis.set(xlabel="bias of the judge, per word", ylabel="accuracy", xticks=range(len(styles)))
    axis.set_xticklabels([str(lam) for lam in styles])
    axis.legend(fontsize=8, loc="lower left")
    return figure


def plot_benchmarks(scores: Mapping[float, Sequence[Tensor]]) -> Figure:
    """The colleague's accuracy beside the mended one, for each model and for one that gives every answer 1."""
    figure, (axis,) = new_panels(1, width=6.4, height=3.8)
    groups = {f"bias {lam}": group for lam, group in scores.items()}
    groups["knows nothing"] = [torch.ones(4, 4)]
    for name, color, marker, shift, function in (
        ("colleague's", ORANGE, "^", -0.1, colleagues_benchmark),
        ("mended", BLUE, "o", 0.1, best_of_k_accuracy),
    ):
        for place, group in enumerate(groups.values()):
            axis.plot([place + shift] * len(group), [function(s) for s in group], marker, color=color, alpha=0.7,
                      label=None if place else name)  # fmt: skip
    axis.axhline(0.25, color=GREY, linestyle=":", label="a coin among four")
    axis.set(ylabel="accuracy, best of four", xticks=range(len(groups)), ylim=(0, 1.05))
    axis.set_xticklabels(list(groups))
    axis.legend(fontsize=8, loc="lower left")
    return figure


def plot_report_card(rows: Mapping[str, tuple[float, float | None]]) -> Figure:
    """Each measure of the report card: the package's number, and the reader's where there is one."""
    figure, (axis,) = new_panels(1, width=8.4, height=0.42 * len(rows) + 1.2)
    for place, (theirs, own) in enumerate(rows.values()):
        axis.plot(
            theirs,
            place,
            "o",
            color=BLUE,
            markersize=9,
            markerfacecolor="none",
            label="" if place else "package",
        )
        if own is not None:
            axis.plot(own, place, "x", color=ORANGE, markersize=8, label="" if place else "yours")
    axis.set_yticks(range(len(rows)), list(rows))
    axis.invert_yaxis()
    axis.set_xlabel("value")
    if rows:
        axis.legend(fontsize=8)
    return figure
