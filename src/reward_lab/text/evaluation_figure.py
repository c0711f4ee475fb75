"""The figure of an evaluation: accuracy by subset, calibration, and accuracy against length."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..plots import BLUE, GREEN, GREY, ORANGE, new_panels

MOST_SUBSETS = 24
"""Subsets that are drawn: those with the most rows."""


def plot_evaluation(report: dict) -> Figure:
    """Three panels of what `evaluate` returns: subsets, calibration, length."""
    rows = 1 + min(MOST_SUBSETS, len(report.get("subsets", {})))
    figure, (subsets, curve, length) = new_panels(3, height=max(3.8, 0.3 * rows + 1.6))
    _subsets(subsets, report)
    _calibration(curve, report.get("calibration"))
    _length(length, report.get("length"))
    whole = report["accuracy"]
    span = "" if whole["low"] is None else f" ({whole['low']:.3f} to {whole['high']:.3f})"
    figure.suptitle(
        f"{report['file']}: accuracy {whole['value']:.3f}{span} on {whole['rows']:,} rows of {whole['prompts']:,} prompts"
    )
    return figure


def _subsets(axis: Axes, report: dict) -> None:
    named = sorted(report.get("subsets", {}).items(), key=lambda entry: -entry[1]["rows"])[:MOST_SUBSETS]
    entries = [("all", report["accuracy"]), *named]
    for place, (_, one) in enumerate(entries):
        if one["low"] is not None:
            axis.plot([one["low"], one["high"]], [place, place], color=BLUE, linewidth=2, alpha=0.6)
        axis.plot(one["value"], place, "o", color=BLUE, label="this model" if place == 0 else None)
    if other := report.get("against"):
        axis.plot(
            other["accuracy"]["value"],
            0,
            "D",
            color=ORANGE,
            fillstyle="none",
            label="the other model, all rows",
        )
    axis.axvline(0.5, color=GREY, linestyle=":", label="guessing on pairs")
    axis.set_yticks(range(len(entries)), [f"{name[:28]} ({one['rows']:,})" for name, one in entries])
    axis.set(xlim=(-0.02, 1.02), ylim=(len(entries) - 0.5, -0.5), xlabel="accuracy, with 95 % intervals")
    axis.set_title("Accuracy" + (f" by {report['by']}" if named else ""))
    axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)


def _calibration(axis: Axes, found: dict | None) -> None:
    axis.set(
        xlabel="confidence in the answer ranked first",
        ylabel="share right",
        xlim=(0.49, 1.01),
        ylim=(0, 1.03),
    )
    axis.set_title("Calibration")
    axis.plot([0.5, 1], [0.5, 1], color=GREEN, linestyle="-.", label="as right as sure")
    if found:
        mean, rate, count = map(np.array, zip(*found["curve"], strict=True))
        axis.plot(mean, rate, color=BLUE, linewidth=1)
        axis.scatter(
            mean,
            rate,
            s=10 + 120 * count / count.sum(),
            color=BLUE,
            label="this model (area: pairs)",
            zorder=3,
        )
        text = f"error {found['ece']:.3f}, by chance {found['ece_by_chance']:.3f}"
        axis.set_title(f"Calibration: {text}")
    axis.legend(fontsize=8, loc="lower right")


def _length(axis: Axes, found: dict | None) -> None:
    axis.set_title("Length")
    axis.set(ylim=(0, 1.25), ylabel="accuracy")
    axis.axhline(0.5, color=GREY, linestyle=":", label="guessing")
    values = [
        found and found[f"accuracy_{name}"] for name in ("where_shorter", "at_equal_length", "where_longer")
    ]
    counts = [found and found[f"pairs_where_{name}"] for name in ("shorter", "longer")]
    names = [
        f"shorter\n({counts[0] or 0:,} pairs)",
        "as long\n(fitted)",
        f"longer\n({counts[1] or 0:,} pairs)",
    ]
    for place, value in enumerate(values):
        if value is not None:
            axis.bar(
                place,
                value,
                width=0.6,
                color=BLUE if place != 1 else "white",
                edgecolor=BLUE,
                hatch="//" * (place == 1),
            )
            axis.annotate(
                f"{value:.2f}", (place, value), xytext=(0, 3), textcoords="offset points", ha="center"
            )
        else:
            axis.annotate("none", (place, 0.02), ha="center", color=GREY)
    axis.set_xticks(range(3), names)
    axis.set_xlim(-0.5, 2.5)
    axis.set_xlabel("the right answer is ... than the wrong one")
    if found and found["excess"] and found["excess"]["value"] is not None:
        axis.set_title(f"Longer one first: {100 * found['excess']['value']:+.1f} points beside the labels")
    axis.legend(fontsize=8, loc="upper left")
