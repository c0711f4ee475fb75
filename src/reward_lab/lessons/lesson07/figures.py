"""The figures of lesson 7."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reward_lab.plots import BLUE, GREEN, GREY, ORANGE, draw_band, new_diagram, new_panels

from .experiments import Curve

STYLES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (GREY, ":"), (BLUE, ":"))
KL_LABEL = "KL to the reference (nats; square-root scale)"


def _sqrt_axis(axis: Axes, most: float) -> None:
    axis.set_xscale("function", functions=(lambda x: np.sqrt(np.clip(x, 0, None)), np.square))
    axis.set_xticks([tick for tick in (0, 0.5, 1, 2, 4, 6, 9, 12, 16) if tick <= most])
    axis.set_xlim(0, most)


def _mean_kl(curves: Sequence[Curve]) -> np.ndarray:
    return np.array([one.kl for one in curves]).mean(axis=0)


def plot_sampling() -> Figure:
    """Best-of-n as a diagram: who writes, who scores, who keeps, and who never has a say."""
    boxes = (
        (1.2, 1.9, "reference policy\nwrites n answers", BLUE),
        (4.4, 1.9, "reward model\nscores each", BLUE),
        (7.8, 1.9, "the highest score\nis sent", BLUE),
        (7.8, 0.5, "customer\n(gold reward)", BLUE),
    )
    arrows = (
        ((2.4, 1.9), (3.3, 1.9), GREY),
        ((5.5, 1.9), (6.5, 1.9), GREY),
        ((7.8, 1.35), (7.8, 1.0), GREY),
    )
    figure, axis = new_diagram(boxes, arrows, size=(8.0, 2.6), limits=(10, 3))
    axis.text(1.2, 0.6, "the score is never asked\nwhether it still knows", ha="center", va="center", fontsize=9,
              color=ORANGE)  # fmt: skip
    axis.annotate("", (4.3, 1.3), (2.5, 0.7), arrowprops={"arrowstyle": "->", "color": ORANGE})
    return figure


def plot_overoptimization(
    curves: Sequence[Curve], traces: Mapping[str, Sequence[Curve]] | None = None
) -> Figure:
    """Learnt and gold reward against the KL, best-of-n over seeds; and gold alone, beside other ways to push.

    Args:
        curves: of best-of-n, one a seed, over the same n.
        traces: way to push -> its curves, drawn one by one in the right panel.
    """
    figure, axes = new_panels(2 if traces else 1, width=5.4, height=4.2)
    kl = _mean_kl(curves)
    draw_band(axes[0], kl, [one.learnt for one in curves], STYLES[0], "learnt reward")
    draw_band(axes[0], kl, [one.gold for one in curves], STYLES[1], "gold reward")
    for number, one in enumerate(curves):
        axes[0].plot(one.kl[one.peak], one.gold[one.peak], "v", color=GREY,
                     label=None if number else "highest gold, each seed")  # fmt: skip
    axes[0].set_ylabel("expected reward")
    if traces:
        draw_band(axes[1], kl, [one.gold for one in curves], STYLES[1], "best-of-n")
        for (name, group), (colour, style) in zip(
            traces.items(), (STYLES[0], STYLES[2], STYLES[3]), strict=False
        ):
            for number, one in enumerate(group):
                axes[1].plot(one.kl, one.gold, color=colour, linestyle=style, linewidth=1,
                             label=None if number else name)  # fmt: skip
        axes[1].set_ylabel("expected gold reward")
    for axis in axes:
        _sqrt_axis(axis, 13 if axis is axes[0] else 18.5)
        axis.set_xlabel(KL_LABEL)
        axis.legend(fontsize=8)
    return figure


def plot_estimates(
    ns: Sequence[int],
    exact: Sequence[float],
    estimates: Sequence[Sequence[float]],
    own: Mapping[str, Sequence[float]],
) -> Figure:
    """Estimates of best-of-n's gold from samples, minus the exact value.

    Args:
        ns: the n of all others.
        exact: the exact value for each n.
        estimates: of each set of samples, the estimate for each n.
        own: label -> what the reader's own function gives for each n.
    """
    figure, (axis,) = new_panels(1, width=7.2, height=4.0)
    exact = np.array(exact)
    axis.axhline(0, color=ORANGE, linestyle="--", label="exact")
    draw_band(axis, ns, np.array(estimates) - exact, STYLES[0], "estimated from 4,096 texts (five sets)")
    for (name, values), marker in zip(own.items(), "ox", strict=False):
        axis.plot(ns, values - exact, marker, color=GREY, label=name, markerfacecolor="none")
    axis.set_xscale("log", base=2)
    axis.set(xlabel="n", ylabel="gold reward minus the exact one")
    axis.legend(fontsize=8, loc="lower left")
    return figure


def plot_fits(
    panels: Mapping[str, tuple[Sequence[float], Sequence[float], Mapping[str, Sequence[float]]]],
) -> Figure:
    """Points and fitted curves: panel -> (KL, gold gain, name -> the fitted gain at each KL)."""
    figure, axes = new_panels(len(panels), width=5.2, height=4.0)
    for axis, (name, (kl, gain, fits)) in zip(axes, panels.items(), strict=True):
        axis.plot(kl, gain, "o", color=GREY, markersize=4, label="exact")
        for (fit, values), (colour, style) in zip(fits.items(), STYLES, strict=False):
            axis.plot(kl, values, color=colour, linestyle=style, label=fit)
        axis.set(ylabel="gold reward gained", ylim=(-0.3, 6.5))
        axis.set_xlabel(KL_LABEL)
        axis.set_title(name, fontsize=10)
        _sqrt_axis(axis, 13)
        axis.legend(fontsize=8, loc="upper left")
    return figure


def plot_second_model(curves: Sequence[Curve], gold: bool) -> Figure:
    """What two reward models say of best-of-n, against n, and the gold reward if asked for."""
    figure, (axis,) = new_panels(1, width=7.2, height=4.0)
    n = curves[0].n
    draw_band(axis, n, [one.learnt for one in curves], STYLES[0], "reward model that picks")
    draw_band(axis, n, [one.second for one in curves], STYLES[2], "second reward model, other pairs")
    if gold:
        draw_band(axis, n, [one.gold for one in curves], STYLES[1], "gold reward")
    axis.set_xscale("log", base=2)
    axis.set(xlabel="n", ylabel="expected reward")
    axis.legend(fontsize=8)
    return figure


def plot_remedies(curves: Mapping[str, Sequence[Curve]], best: float) -> Figure:
    """Gold of best-of-n against n for several rewards, over seeds.

    Args:
        curves: name -> one curve a seed.
        best: gold of the best text of all.
    """
    figure, (axis,) = new_panels(1, width=7.5, height=4.4)
    for (name, group), style in zip(
        curves.items(), (STYLES[1], STYLES[3], STYLES[2], STYLES[0]), strict=False
    ):
        draw_band(axis, group[0].n, [one.gold for one in group], style, name)
    axis.axhline(best, color=GREY, linewidth=1, label=f"the best text of all ({best:g})")
    axis.set_xscale("log", base=2)
    axis.set(xlabel="n", ylabel="expected gold reward")
    axis.legend(fontsize=8, loc="lower right")
    return figure
