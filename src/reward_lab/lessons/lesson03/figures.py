"""The figures of lesson 3: limits, losses, ties and calibration."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from reward_lab.plots import BLUE, GREEN, GREY, ORANGE, new_panels

COLOURS, STYLES, MARKERS = (BLUE, ORANGE, GREEN), ("-", "--", "-."), ("o", "s", "^")


def plot_floors(
    forecasts: np.ndarray,
    scores: np.ndarray,
    p: float,
    simulated: Mapping[int, Sequence[float]],
    floors: Mapping[str, float],
) -> Figure:
    """Which Brier score can't be beaten?

    Args:
        forecasts: forecasts for one pair with preference probability p.
        scores: the simulated Brier score of each.
        p: that probability.
        simulated: number of labels -> Brier scores of the true probabilities on that many, one a seed.
        floors: name -> candidate for the floor in the second panel.
    """
    figure, (left, right) = new_panels(2)
    left.plot(forecasts, scores, ".", color=BLUE, label="simulated")
    left.axvline(p, color=GREY, linestyle=":", label=f"truth, p = {p:g}")
    candidates = (p * (1 - p), min(p, 1 - p) ** 2)
    for value, name, style in zip(candidates, ("p (1 - p)", "min(p, 1 - p)²"), ("--", "-."), strict=True):
        left.axhline(
            value, color=GREEN if style == "--" else ORANGE, linestyle=style, label=f"{name} = {value:.2f}"
        )
    left.set(
        xlabel="forecast",
        ylabel="Brier score",
        title=f"One pair: no forecast does better than {p * (1 - p):.2f}",
    )
    left.legend(fontsize=8)
    for n, values in simulated.items():
        right.plot([n] * len(values), values, "o", color=BLUE, alpha=0.5)
    for (name, value), style, colour in zip(floors.items(), ("--", "-."), (GREEN, ORANGE), strict=True):
        right.axhline(value, color=colour, linestyle=style, label=f"{name} = {value:.3f}")
    right.set(
        xscale="log", ylim=(0, None), xlabel="number of labels", ylabel="Brier score of the true p",
        title="The whole world: the true p scores E[p (1 - p)]",
    )  # fmt: skip
    right.legend(fontsize=8, loc="lower right")
    return figure


def plot_loss_shapes(
    margins: np.ndarray, losses: Mapping[str, np.ndarray], slopes: Mapping[str, np.ndarray], title: str
) -> Figure:
    """Losses as functions of the margin, and their slopes; up to three of them."""
    figure, (left, right) = new_panels(2)
    for axis, curves in ((left, losses), (right, slopes)):
        for (name, values), colour, style in zip(curves.items(), COLOURS, STYLES, strict=False):
            axis.plot(margins, values, color=colour, linestyle=style, label=name)
        axis.axvline(0, color=GREY, linestyle=":")
        axis.axhline(0, color=GREY, linewidth=0.8)
        axis.set_xlabel("margin: reward of preferred - reward of rejected")
    left.set_ylabel("loss (nats)")
    right.set_ylabel("slope of the loss")
    left.legend(fontsize=8)
    figure.suptitle(title)
    return figure


def plot_bands(
    x: Sequence[float],
    curves: Mapping[str, np.ndarray],
    limit: tuple[str, float],
    title: str,
    xlabel: str,
    ylabel: str,
    log: bool = False,
) -> Figure:
    """Curves over x, each with its range over seeds, beside a limit.

    Args:
        x: positions.
        curves: name -> (seeds, positions).
        limit: name and value of a horizontal line.
        log: both axes logarithmic; the limit is then left out of the axis if it is 0.
    """
    figure, (axis,) = new_panels(1, width=7.5)
    for (name, values), colour, style, marker in zip(curves.items(), COLOURS, STYLES, MARKERS, strict=False):
        values = np.atleast_2d(values)
        axis.plot(x, values.mean(axis=0), color=colour, linestyle=style, marker=marker, label=name)
        if len(values) > 1:
            axis.fill_between(x, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2)
    name, value = limit
    if log:
        axis.set(xscale="log", yscale="log")
    if value > 0 or not log:
        axis.axhline(value, color=GREY, linestyle=":", label=f"{name} ({value:g})")
    axis.set(xlabel=xlabel, ylabel=f"{ylabel}; band: range over seeds", title=title)
    axis.legend(fontsize=8)
    return figure


def plot_regimes(
    results: Mapping[str, Mapping[str, Sequence]], limit: float, guessing: float, title: str
) -> Figure:
    """Several losses in several regimes: excess log loss on the left, accuracy on the right.

    Args:
        results: regime -> loss -> one (excess log loss, accuracy) a seed.
        limit: the Bayes accuracy.
        guessing: the excess log loss of a model that always says one half.
        title: the finding.
    """
    figure, (left, right) = new_panels(2, height=1.25 * len(results) + 1.2)
    row, ticks = 0.0, {}
    for regime, losses in results.items():
        left.text(
            0.01,
            row - 0.75,
            regime,
            transform=left.get_yaxis_transform(),
            fontsize=9,
            weight="bold",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
        for (loss, runs), colour, marker in zip(losses.items(), COLOURS, MARKERS, strict=False):
            for axis, values in zip((left, right), zip(*runs, strict=True), strict=True):
                axis.plot(values, [row] * len(values), marker, color=colour, alpha=0.6, markersize=5)
                axis.plot(np.mean(values), row, "|", color="black", markersize=12, markeredgewidth=2)
            ticks[row] = loss
            row += 1
        row += 1.2
    left.set_yticks(list(ticks), list(ticks.values()))
    right.set_yticks(list(ticks), [])
    for axis in (left, right):
        axis.set_ylim(row - 1.4, -1.5)
    left.axvline(guessing, color=GREY, linestyle=":", label=f"guessing ({guessing:.2f})")
    left.set(xscale="log", xlabel="held-out log loss above its floor (nats, log scale); the limit is 0")
    right.axvline(limit, color=GREY, linestyle="-.", label=f"best possible ({limit:.3f})")
    right.set(xlabel="held-out accuracy")
    for axis in (left, right):
        axis.legend(fontsize=8, loc="upper right" if axis is left else "lower left")
    figure.suptitle(f"{title}\nmark: one seed, bar: mean", fontsize=11)
    return figure


def plot_tie_probability(
    difference: np.ndarray,
    curves: Mapping[str, np.ndarray],
    observed: tuple[np.ndarray, np.ndarray, np.ndarray],
    title: str,
) -> Figure:
    """Probability of a tie against the difference of the abilities, with observed shares.

    Args:
        difference: (m,) positions of the curves.
        curves: model -> (m,) probability of a tie.
        observed: difference, share of ties and its standard error, each (pairs,).
        title: the finding.
    """
    figure, (axis,) = new_panels(1, width=7.5)
    for (name, values), colour, style in zip(curves.items(), COLOURS, STYLES, strict=False):
        axis.plot(difference, values, color=colour, linestyle=style, label=name)
    axis.errorbar(
        *observed, fmt="o", color=GREY, markersize=4, linewidth=1, label="observed, with standard error"
    )
    axis.set(
        xlabel="difference of the two abilities", ylabel="probability of a tie", ylim=(0, None), title=title
    )
    axis.legend(fontsize=8)
    return figure


def plot_reliability(reports: Mapping[str, dict], title: str) -> Figure:
    """One reliability diagram for each report of `calibration`: observed rate against probability.

    Args:
        reports: name -> what `calibration` returns.
        title: the finding.
    """
    figure, axes = new_panels(len(reports), width=4.4)
    for axis, (name, report) in zip(axes, reports.items(), strict=True):
        mean, rate, count = np.array(report["curve"]).T
        error = np.sqrt(np.maximum(rate * (1 - rate), 1 / count) / count)
        axis.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="calibrated")
        axis.errorbar(
            mean, rate, error, fmt="o-", color=BLUE, markersize=4, label="observed, with standard error"
        )
        axis.set(xlabel="probability", ylabel="observed rate", xlim=(0, 1), ylim=(0, 1))
        axis.set_title(f"{name}\nECE {report['ece']:.3f}, Brier score {report['brier']:.3f}", fontsize=10)
        axis.legend(fontsize=8, loc="upper left")
    figure.suptitle(title)
    return figure


def plot_cures(
    rates: Sequence[float],
    packages: Mapping[str, Sequence[float]],
    mine: Mapping[str, Sequence[float]] | None,
    title: str,
) -> Figure:
    """Scale of the rewards against the flip rate: a line a loss, and circles for the reader's own."""
    figure, (axis,) = new_panels(1, width=7.5)
    axis.axhline(1.0, color=GREY, linestyle=":", label="true scale")
    styles = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."))
    for (name, scale), (colour, style) in zip(packages.items(), styles, strict=True):
        axis.plot(rates, scale, color=colour, linestyle=style, label=name)
        if mine and name in mine:
            axis.plot(
                rates,
                mine[name],
                "o",
                color=colour,
                markerfacecolor="none",
                markersize=9,
                label=f"{name}, yours",
            )
    axis.set(
        xlabel="share of labels that are flipped", ylabel="scale of the rewards", title=title, ylim=(0, None)
    )
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def plot_training_losses(runs: Sequence[Sequence[float]], title: str) -> Figure:
    """The loss before each step, one line a seed, beside that of guessing."""
    figure, (axis,) = new_panels(1, width=6.5)
    styles = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."))
    for seed, (losses, (colour, style)) in enumerate(zip(runs, styles, strict=False)):
        axis.plot(range(1, len(losses) + 1), losses, color=colour, linestyle=style, label=f"seed {seed}")
    axis.axhline(np.log(2), color=GREY, linestyle=":", label="guessing (ln 2)")
    axis.set(xlabel="step", ylabel="loss (nats)", title=title, ylim=(0, None))
    axis.legend(fontsize=8)
    return figure
