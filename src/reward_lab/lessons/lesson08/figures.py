"""The figures of lesson 8."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reward_lab.plots import BLUE, GREEN, GREY, ORANGE, draw_band, new_diagram, new_panels
from reward_lab.rlhf import DPOHistory, RLHistory

from .experiments import BETA, Limits, Way

STYLES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (GREY, ":"))


def _line(axis: Axes, value: float, label: str, style: str = "-") -> None:
    """What is exact."""
    axis.axhline(value, color=GREY, linewidth=1.2, linestyle=style, label=label)


def plot_two_roads() -> Figure:
    """Who learns from whom: judgements to a policy by way of a reward model, and without one."""
    boxes = (
        (1.2, 1.7, "judged pairs\n(preferred, rejected)", BLUE),
        (4.2, 2.7, "reward model", BLUE),
        (6.4, 2.7, "PPO: write,\nscore, step", BLUE),
        (9.0, 1.7, "policy", BLUE),
        (5.3, 0.7, "DPO: one loss on\nlog-probabilities", ORANGE),
    )
    arrows = (
        ((2.3, 2.1), (3.3, 2.6), GREY),
        ((5.1, 2.7), (5.5, 2.7), GREY),
        ((7.3, 2.5), (8.4, 1.9), GREY),
        ((2.3, 1.3), (3.9, 0.8), GREY),
        ((6.7, 0.8), (8.4, 1.5), GREY),
    )
    return new_diagram(boxes, arrows, size=(8.4, 3.2), limits=(10, 3.4))[0]


def plot_sources(
    runs: Mapping[str, Sequence[DPOHistory]],
    limits: Limits,
    ppo: Sequence[RLHistory] = (),
    own: DPOHistory | None = None,
) -> Figure:
    """J against judgements, over seeds, beside the best there is.

    Args:
        runs: where the texts of the pairs come from -> one history a seed.
        limits: of the best policy.
        ppo: runs on the gold reward itself, a score a text.
        own: a run with the reader's own step.
    """
    figure, (axis,) = new_panels(1, width=8.0, height=4.6)
    _line(axis, limits.value, f"the best policy, J* = {limits.value:.2f}")
    if ppo:
        rows = [run.value for run in ppo]
        draw_band(axis, ppo[0].texts, rows, STYLES[3], "PPO that is told the gold reward of each text")
    for (name, group), style in zip(runs.items(), STYLES, strict=False):
        draw_band(axis, group[0].judgements, [run.value for run in group], style, f"DPO, {name}")
    if own:
        axis.plot(own.judgements, own.value, "o", color=GREY, markerfacecolor="none", label="your dpo_step")
    axis.set(
        xlabel="judgements (PPO: texts scored)" if ppo else "judgements",
        ylabel="J = gold reward - 0.5 KL",
        ylim=(-1.8, 1.4),
    )
    axis.legend(fontsize=8, loc="lower right")
    return figure


def plot_small(runs: Sequence[DPOHistory], best_loss: float, best_accuracy: float, limits: Limits) -> Figure:
    """Ten epochs on the same pairs: training loss, held-out accuracy, and J, which no training sees."""
    figure, axes = new_panels(3, width=3.7, height=3.6)
    epochs = range(len(runs[0].value))
    draw_band(axes[0], epochs[1:], [run.loss[1:] for run in runs], STYLES[0], "training loss")
    _line(axes[0], best_loss, f"best possible on new pairs ({best_loss:.3f})")
    axes[0].set_ylabel("training loss (nats)")
    draw_band(axes[1], epochs[1:], [run.accuracy[1:] for run in runs], STYLES[0], "held-out pairs")
    _line(axes[1], best_accuracy, f"best possible ({best_accuracy:.3f})")
    axes[1].set(ylabel="accuracy", ylim=(0.72, 0.83))
    draw_band(axes[2], epochs, [run.value for run in runs], STYLES[1], "J")
    _line(axes[2], limits.value, f"the best policy ({limits.value:.2f})")
    axes[2].set(ylabel="J = gold reward - 0.5 KL")
    for axis in axes:
        axis.set_xlabel("epoch")
        axis.legend(fontsize=8, loc="upper right" if axis is axes[0] else "lower right")
    return figure


def plot_log_ratios(runs: Sequence[DPOHistory], at_optimum: tuple[float, float]) -> Figure:
    """Mean log-ratios of preferred and rejected texts over the epochs, beside those of the best policy of all."""
    figure, (axis,) = new_panels(1, width=6.6, height=4.0)
    epochs = range(len(runs[0].value))
    for side, style, best in zip(("preferred", "rejected"), STYLES, at_optimum, strict=False):
        draw_band(axis, epochs, [getattr(run, side) for run in runs], style, f"{side} texts")
        axis.axhline(best, color=style[0], linestyle=":", label=f"{side}, the best policy ({best:.2f})")
    axis.axhline(0, color=GREY, linewidth=1)
    axis.set(xlabel="epoch", ylabel="mean log-ratio to the reference (nats)")
    axis.legend(fontsize=8)
    return figure


def plot_logged(runs: Sequence[DPOHistory], best_loss: float, best_accuracy: float) -> Figure:
    """What a colleague logged: training loss and held-out accuracy."""
    figure, axes = new_panels(2, width=5.2, height=3.8)
    epochs = range(1, len(runs[0].value))
    for axis, part, name, best in (
        (axes[0], "loss", "training loss (nats)", best_loss),
        (axes[1], "accuracy", "held-out accuracy", best_accuracy),
    ):
        draw_band(axis, epochs, [getattr(run, part)[1:] for run in runs], STYLES[1], "hers")
        _line(axis, best, f"best possible ({best:.3f})")
        axis.set(xlabel="epoch", ylabel=name)
        axis.legend(fontsize=8, loc="upper right" if part == "loss" else "lower right")
    return figure


def plot_unlogged(
    hers: Sequence[DPOHistory], mended: Sequence[DPOHistory], limits: Limits, at_a_sixth: Limits
) -> Figure:
    """What she did not log: KL and J, for her loss and the mended one, beside the best policies at both prices."""
    figure, axes = new_panels(2, width=5.2, height=3.8)
    epochs = range(len(hers[0].value))
    for axis, part, name in (
        (axes[0], "kl", "KL to the reference (nats)"),
        (axes[1], "value", "J = gold reward - 0.5 KL"),
    ):
        for group, style, label in ((hers, STYLES[1], "hers"), (mended, STYLES[0], "sum over tokens")):
            draw_band(axis, epochs, [getattr(run, part) for run in group], style, label)
        best, cheap = getattr(limits, part), at_a_sixth.gold - BETA * at_a_sixth.kl
        _line(axis, best, f"the best policy ({best:.2f})")
        cheap = at_a_sixth.kl if part == "kl" else cheap
        _line(axis, cheap, f"the best one at a price of 0.5 / 6 ({cheap:.2f})", ":")
        axis.set(xlabel="epoch", ylabel=name)
        axis.legend(fontsize=8)
    return figure


def plot_ways(pages: Sequence[Mapping[str, Way]], limits: Limits) -> Figure:
    """Gold against KL for each way and seed, with the road of exact optima as the limit of all."""
    figure, (axis,) = new_panels(1, width=7.2, height=4.6)
    kls, golds = limits.road
    axis.plot(kls, golds, color=GREY, linewidth=1.2, label="the most gold at each KL")
    for name, (colour, _), marker in zip(pages[0], STYLES, "osD^", strict=False):
        found = [page[name] for page in pages]
        axis.plot([w.kl for w in found], [w.gold for w in found], marker, color=colour, alpha=0.8, label=name)
    axis.plot(limits.kl, limits.gold, "*", color=GREY, markersize=13, label="the best policy at 0.5 a nat")
    axis.set(xlabel="KL to the reference (nats)", ylabel="expected gold reward", xlim=(0, 4.2))
    axis.legend(fontsize=8, loc="lower right")
    return figure
