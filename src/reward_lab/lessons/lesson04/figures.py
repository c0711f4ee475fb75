"""The figures of lesson 4."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from reward_lab.plots import BLUE, GREEN, GREY, ORANGE, new_diagram, new_panels


def plot_two_heads() -> Figure:
    """One backbone, two heads: words for every token, or one reward from the last real one."""
    words = ("fox", "fed", "owl", ".", "padding")
    places = [1.0 + 1.5 * number for number in range(len(words))]
    boxes = [
        (x, 0.5, word, GREY if word == "padding" else BLUE) for x, word in zip(places, words, strict=True)
    ]
    boxes.append((4.0, 1.9, "backbone: each token looks back at those before it, and gets a vector", BLUE))
    boxes.append((2.4, 3.5, "language model head, at every token:\nwhich token comes next?", GREEN))
    boxes.append((6.6, 3.5, "reward head, at the last real token:\none number", ORANGE))
    arrows = [((x, 0.85), (x, 1.5), GREY) for x in places]
    arrows += [((x, 2.3), (x + (2.4 - x) / 3, 2.95), GREEN) for x in places[:4]]
    arrows.append(((places[3], 2.3), (6.3, 2.95), ORANGE))
    return new_diagram(boxes, arrows, size=(8.4, 3.4), limits=(8.6, 4.1))[0]


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
