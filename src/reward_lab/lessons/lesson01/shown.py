"""Figures of lesson 1 that answer a question: drawn here, with title and alt text, so that the notebook does not tell."""

import numpy as np
from torch import Tensor

from reward_lab.lessons.graphs import AMBER, MIDDLE, arrow, blank, box
from reward_lab.plots import BLUE, ORANGE, new_panels, plot_bradley_terry, plot_quality_against_reward, show

QualityAndReward = tuple[np.ndarray, np.ndarray]


def bradley_terry() -> None:
    """The sigmoid, and the loss of one pair."""
    show(
        plot_bradley_terry(),
        alt="Left: the sigmoid rises from 0 to 1, with the differences 2 and -2 marked. "
        "Right: the loss falls to 0 on the right and is nearly a straight line of slope -1 on the left.",
    )


def encoder_and_head() -> None:
    """Diagram: two texts go through one model, and only the difference of their rewards counts."""
    figure, (axis,) = blank(1, 8.8, 2.8)
    axis.set(xlim=(0, 10), ylim=(0, 2.8))
    for height, text, reward in ((2.1, "preferred\ntokens", "$r_w$"), (0.6, "rejected\ntokens", "$r_l$")):
        box(axis, (0.8, height), text)
        box(axis, (3.2, height), "encoder: embed,\naverage, two layers", AMBER)
        box(axis, (5.7, height), "head: vector\nto one number", AMBER)
        axis.text(7.3, height, reward, ha="center", va="center", fontsize=12, color=MIDDLE)
        for start, end in ((1.4, 2.1), (4.3, 4.9), (6.5, 7.0)):
            arrow(axis, (start, height), (end, height))
        arrow(axis, (7.6, height), (8.3, 1.35 + (0.2 if height > 1.3 else -0.2)))
    box(axis, (9.1, 1.35), "loss\n$-\\log\\sigma(r_w - r_l)$")
    axis.text(
        4.4, 1.35, "the same weights for both texts", ha="center", va="center", fontsize=9, color=MIDDLE
    )
    show(
        figure,
        alt="Diagram: the tokens of the preferred and of the rejected text go through the same encoder and the same head, "
        "which gives one reward each. The loss sees the difference of the two rewards.",
    )


def two_kinds_of_texts(clustered: QualityAndReward, uniform: QualityAndReward) -> None:
    """Quality and reward on clustered texts, beside the same on uniform ones."""
    show(
        plot_quality_against_reward(
            {"texts around one value": clustered, "uniform texts, as in training": uniform},
            "The same model on easy texts and on the texts that matter",
        ),
        alt=f"Left: {len(clustered[0])} clustered texts on a clear rising line. Right: {len(uniform[0])} "
        f"uniform texts in a wide "
        f"cloud between qualities {uniform[0].min():.0f} and {uniform[0].max():.0f}, in which reward rises only "
        f"weakly with quality.",
    )


def linear_weights(weights: Tensor) -> None:
    """What the linear fit learnt of each token: (vocab_size,) weights on any device."""
    values, tokens = weights.cpu().numpy(), np.arange(len(weights))
    slope = np.polyfit(tokens, values, 1)
    figure, (axis,) = new_panels(1, width=7, height=3.6)
    axis.plot(values, ".", color=BLUE, markersize=3, label="learnt weight of each token")
    axis.plot(np.polyval(slope, tokens), color=ORANGE, label="straight line through them")
    axis.set(
        xlabel="token id", ylabel="weight", title="The linear fit finds the rule, with noise on every token"
    )
    axis.legend(fontsize=8)
    show(
        figure,
        alt="Learnt weights rise with the token id, from negative to positive, in a noisy band around a straight line.",
    )
