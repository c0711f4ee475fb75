"""The figures of lesson 4."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from reward_lab.plots import BLUE, GREEN, GREY, ORANGE, new_diagram, new_panels


def plot_two_heads() -> Figure:
    """One backbone with the head of a language model, which reads every vector, and a reward head, which reads one."""
    places = (3.6, 4.6, 5.6)
    words = ("fox", "fed", "owl")
    boxes = [(x, 0.4, word, GREY) for x, word in zip(places, words, strict=True)]
    boxes += [(6.7, 0.4, "pad", GREY)]
    boxes += [(5.1, 1.5, "          transformer (causal): the backbone          ", BLUE)]
    boxes += [(1.3, 2.7, "language-model head\nnext word, at each place", GREEN)]
    boxes += [(9.2, 2.7, "reward head\none number a text", ORANGE)]
    arrows = [((x, 0.7), (x, 1.15), GREY) for x in (*places, 6.7)]
    arrows += [((x, 1.85), (x, 2.45), GREY) for x in (*places, 6.7)]
    arrows += [((3.4, 2.7), (2.6, 2.7), GREEN)]
    figure, axis = new_diagram(boxes, arrows, size=(9.0, 3.4), limits=(10.6, 4.1))
    for x in (*places, 6.7):
        colour = ORANGE if x == places[-1] else GREY
        axis.plot(x, 2.7, "s", color=colour, markersize=13, fillstyle="full" if x != 6.7 else "none")
    over_the_padding = {"arrowstyle": "->", "color": ORANGE, "connectionstyle": "arc3,rad=-0.35"}
    axis.annotate("", (8.0, 2.9), (5.65, 2.95), arrowprops=over_the_padding)
    axis.text(6.9, 3.7, "the last real token's vector", ha="center", fontsize=9, color=ORANGE)
    axis.text(3.4, 3.2, "every token's vector", ha="center", fontsize=9, color=GREEN)
    return figure


def plot_data_efficiency(
    results: Mapping[str, Mapping[int, Mapping[str, float]]], limits: Mapping[str, float], title: str
) -> Figure:
    """Held-out accuracy against number of pairs, one curve a method, with a band of one standard deviation.

    Args:
        results: method -> what data_efficiency returns.
        limits: name -> accuracy that the curves are held against, a horizontal line each.
        title: the finding.
    """
    figure, (axis,) = new_panels(1, width=8.2, height=4.6)
    styles = zip((BLUE, ORANGE, GREEN), ("-", "--", "-."), ("o", "s", "^"), strict=True)
    for (name, result), (colour, line, marker) in zip(results.items(), styles, strict=False):
        sizes = np.array(list(result))
        mean, std = (np.array([row[key] for row in result.values()]) for key in ("mean", "std"))
        axis.plot(sizes, mean, color=colour, linestyle=line, marker=marker, label=name)
        axis.fill_between(sizes, mean - std, mean + std, color=colour, alpha=0.15)
    for (name, value), line in zip(limits.items(), ("-", ":"), strict=False):
        axis.axhline(value, color=GREY, linestyle=line, linewidth=1)
        below = value < 0.75  # a name stands where no curve can run
        axis.annotate(
            name,
            (sizes[0], value),
            xytext=(0, -24 if below else 4),
            textcoords="offset points",
            fontsize=9,
            color=GREY,
        )
    axis.set_xscale("log")
    axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axis.minorticks_off()
    axis.set(
        xlabel="training pairs (log scale)",
        ylabel="held-out accuracy; band: one standard deviation",
        ylim=(0.43, 1.05),
    )
    axis.set_title(title)
    axis.legend(fontsize=9, loc="center left", bbox_to_anchor=(0.03, 0.48))
    return figure
