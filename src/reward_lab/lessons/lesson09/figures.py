"""The figures of lesson 9."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from reward_lab.plots import BLUE, GREY, new_panels


def plot_win_rates(advantages: Sequence[float], rates: Sequence[float], title: str) -> Figure:
    """Win rates against the advantage of the first model.

    Args:
        advantages, rates: one number per experiment.
        title: the finding.
    """
    figure, (axis,) = new_panels(1, width=6.5)
    axis.plot(advantages, rates, "o-", color=BLUE)
    axis.axhline(0.5, color=GREY, linestyle=":")
    axis.set(xlabel="advantage of the first model", ylabel="its win rate", ylim=(0, 1), title=title)
    return figure
