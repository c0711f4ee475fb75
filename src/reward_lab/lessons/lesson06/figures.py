"""The figures of the lessons that train a policy."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reward_lab.plots import BLUE, GREEN, GREY, ORANGE, draw_band, new_diagram, new_panels
from reward_lab.rlhf.training import RLHistory

STYLES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (GREY, ":"))
NAMES = {
    "value": "J = learnt reward - beta * KL",
    "reward": "expected learnt reward",
    "kl": "KL to the reference (nats)",
    "gold": "expected gold reward",
}


def plot_loop() -> Figure:
    """One round of PPO: who writes, who scores what, and who learns."""
    boxes = (
        (1.3, 2.6, "policy\nwrites answers", BLUE),
        (4.6, 3.5, "reward model\nscores each answer", ORANGE),
        (4.6, 1.7, "reference\nlog-ratio of each word", BLUE),
        (8.2, 2.6, "reward of each word:\n- beta x log-ratio,\nscore at the last", ORANGE),
        (8.2, 0.6, "advantages: better than\nthe value function foresaw?", GREEN),
        (2.6, 0.6, "several clipped steps\non the same answers", BLUE),
        (8.2, 4.4, "gold looks on, and teaches nobody", GREY),
    )
    arrows = (
        ((2.4, 2.8), (3.4, 3.4), GREY), ((2.4, 2.4), (3.4, 1.8), GREY), ((5.9, 3.4), (6.8, 2.9), GREY),
        ((5.9, 1.8), (6.8, 2.3), GREY), ((8.2, 1.9), (8.2, 1.1), GREY), ((6.5, 0.6), (4.1, 0.6), GREY),
        ((1.9, 1.1), (1.4, 2.1), GREY),
    )  # fmt: skip
    return new_diagram(boxes, arrows, size=(9.0, 3.9), limits=(10.2, 4.9))[0]


def plot_runs(
    runs: Mapping[str, Sequence[RLHistory]],
    panels: Mapping[str, Mapping[str, float]],
    title: str,
) -> Figure:
    """Exact curves of several methods against the texts they wrote: mean over seeds, and the range as a band.

    Args:
        runs: method -> the history of each seed, all measured at the same moments.
        panels: a field of RLHistory -> lines to draw across its panel, name -> value.
        title: the finding.
    """
    figure, axes = new_panels(len(panels), width=5.4 if len(panels) < 3 else 4.4, height=4.2)
    for axis, (name, lines) in zip(axes, panels.items(), strict=True):
        for (method, histories), (colour, style) in zip(runs.items(), STYLES, strict=False):
            _band(axis, histories, name, colour, style, method)
        for (line, value), style in zip(lines.items(), ("-.", ":", (0, (1, 4))), strict=False):
            axis.axhline(value, color=GREY, linestyle=style, label=f"{line} ({value:.2f})")
        axis.set(xlabel="texts written by the policy", ylabel=NAMES[name])
        axis.legend(fontsize=8, loc="best")
    figure.suptitle(title)
    return figure


def _band(axis: Axes, histories: Sequence[RLHistory], name: str, colour: str, style: str, label: str) -> None:
    rows = [getattr(history, name) for history in histories]
    draw_band(axis, histories[0].texts, rows, (colour, style), label, alpha=0.2)


def plot_clipped_objective(clip: float = 0.2) -> Figure:
    """PPO's objective for one word as a function of the ratio, for a good word and for a bad one."""
    figure, axes = new_panels(2, width=4.6, height=3.6)
    ratio = np.linspace(0.4, 1.6, 241)
    for axis, advantage, kind in ((axes[0], 1.0, "better"), (axes[1], -1.0, "worse")):
        plain, clipped = ratio * advantage, ratio.clip(1 - clip, 1 + clip) * advantage
        axis.plot(ratio, plain, color=GREY, linestyle=":", label="ratio * A")
        axis.plot(ratio, np.minimum(plain, clipped), color=BLUE, label="clipped objective")
        axis.plot(1, advantage, "o", color=ORANGE, label="before the first step")
        axis.axvspan(1 - clip, 1 + clip, color=GREY, alpha=0.12)
        axis.set(xlabel="ratio of new to old probability", ylabel="objective")
        axis.set_title(f"A = {advantage:+.0f}: a word {kind} than expected", fontsize=10)
        axis.legend(fontsize=8)
    figure.suptitle("Beyond the band there is nothing more to gain, but everything still to lose")
    return figure


def plot_gradient_noise(offsets: Sequence[float], noise: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Noise of the gradient estimate, in units of the exact gradient, against a constant added to all rewards.

    Args:
        offsets: the constants.
        noise: way of estimating -> variance over squared length of the exact gradient, one for each constant.
        title: the finding.
    """
    figure, (axis,) = new_panels(1, width=6.5, height=3.6)
    for (name, values), (colour, style) in zip(noise.items(), STYLES, strict=False):
        axis.plot(offsets, values, color=colour, linestyle=style, marker="o", label=name)
    axis.set(xlabel="constant added to every reward", ylabel="variance / |exact gradient|²", yscale="log")
    axis.set_title(title)
    axis.legend(fontsize=8)
    return figure


def plot_optima(
    kl: Sequence[float],
    curves: Mapping[str, Sequence[float]],
    marks: Mapping[str, tuple[float, float]],
    title: str,
) -> Figure:
    """Values of the exact optimum for many betas, against its distance from the reference.

    Args:
        kl: KL of each optimum to the reference, in nats, rising.
        curves: name -> value of each optimum.
        marks: name -> a point (KL, value) to set beside the curves.
        title: the finding.
    """
    figure, (axis,) = new_panels(1, width=7.5, height=4.2)
    for (name, values), (colour, style) in zip(curves.items(), STYLES, strict=False):
        axis.plot(kl, values, color=colour, linestyle=style, label=name)
    for (name, (x, y)), marker in zip(marks.items(), "osD^", strict=False):
        axis.plot(x, y, marker, color=GREY, label=name)
    axis.set(xlabel="KL to the reference (nats)", ylabel="expected reward")
    axis.set_title(title)
    axis.legend(fontsize=8)
    return figure
