"""The figures of lesson 9."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reward_lab.plots import BLUE, GREEN, GREY, ORANGE, draw_band, new_diagram, new_panels

from .experiments import DPORun
from .rewards import Curve

STYLES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."))


def plot_template() -> Figure:
    """A conversation as the model reads it: which tokens are prompt, answer and padding."""
    boxes = (
        (1.5, 1.2, "system\nAnswer in one\nshort sentence.", BLUE),
        (4.1, 1.2, "user\nWhat is rain?", BLUE),
        (6.2, 1.2, "assistant", BLUE),
        (8.3, 1.2, "Water that falls\nfrom clouds.", ORANGE),
        (10.4, 1.2, "padding", GREY),
    )
    figure, axis = new_diagram(boxes, (), size=(9.4, 2.4), limits=(11.4, 2.4))
    axis.text(3.9, 0.25, "prompt: given, not counted", ha="center", fontsize=9)
    axis.text(8.3, 0.25, "answer: counted", ha="center", fontsize=9)
    axis.annotate(
        "start", (7.05, 1.55), (7.05, 2.2), ha="center", arrowprops={"arrowstyle": "->", "color": GREY}
    )
    return figure


def _against_n(axis: Axes, groups: Mapping[str, Sequence[Curve]], part: str) -> None:
    for (name, curves), style in zip(groups.items(), STYLES, strict=False):
        draw_band(axis, curves[0].ns, [getattr(curve, part) for curve in curves], style, name)
    axis.set_xscale("log", base=2)
    axis.set_xlabel("n, answers drawn for each one sent")


def plot_best_of_n(groups: Mapping[str, Sequence[Curve]], limit: Curve) -> Figure:
    """Learnt reward and gold beside each other against n, bands over seeds of the judge's hesitations."""
    figure, (left, right) = new_panels(2, width=4.6, height=3.9)
    _against_n(left, groups, "learnt")
    left.set_ylabel("learnt reward of the answer sent")
    _against_n(right, groups, "gold")
    right.plot(limit.ns, limit.gold, color=GREY, linestyle=":", label="chosen by gold itself")
    right.set_ylabel("gold score of the answer sent")
    right.legend(fontsize=8, loc="upper left")
    return figure


def plot_length(groups: Mapping[str, Sequence[Curve]], best: float) -> Figure:
    """Gold and words against n for several judges."""
    figure, (left, right) = new_panels(2, width=4.6, height=3.9)
    _against_n(left, groups, "gold")
    left.set_ylabel("gold score of the answer sent")
    left.legend(fontsize=8, loc="best")
    _against_n(right, groups, "words")
    right.axhline(best, color=GREY, linestyle=":", label="what readers like best")
    right.set_ylabel("words of the answer sent")
    right.legend(fontsize=8, loc="best")
    return figure


def plot_dpo(run: DPORun) -> Figure:
    """Gold, learnt reward and KL per token along a run, with one standard error where there is one."""
    figure, axes = new_panels(3, width=3.4, height=3.4)
    steps = [m.step for m in run.along]
    axes[0].errorbar(
        steps, [m.gold for m in run.along], [m.gold_error for m in run.along], color=BLUE, capsize=3
    )
    axes[0].set_ylabel("gold score of its own answers")
    axes[1].plot(steps, [m.learnt for m in run.along], "o-", color=ORANGE)
    axes[1].set_ylabel("learnt reward of them")
    axes[2].errorbar(
        steps, [m.kl for m in run.along], [m.kl_error for m in run.along], color=GREEN, capsize=3
    )
    axes[2].set_ylabel("KL to the reference (nats per token)")
    for axis in axes:
        axis.set_xlabel("steps of DPO")
    return figure
