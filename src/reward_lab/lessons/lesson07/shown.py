"""Figures of lesson 7 that answer a question: drawn here, with title and alt text, so that the notebook does not tell."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from reward_lab.plots import show

from . import figures
from .experiments import Curve

Fitted = tuple[Sequence[float], Sequence[float], Mapping[str, Sequence[float]]]
"""KL and gold gain of each point, and name -> the fitted gains."""


def _show(figure: Figure, title: str, alt: str) -> None:
    figure.suptitle(title)
    show(figure, alt)


def estimates(
    ns: Sequence[int],
    exact: Sequence[float],
    estimates: Sequence[Sequence[float]],
    own: Mapping[str, Sequence[float]],
) -> None:
    """Errors of the estimates from samples, and of the learner's own functions."""
    _show(
        figures.plot_estimates(ns, exact, estimates, own),
        "From 4,096 samples: the whole curve, but for its end",
        "Error of the estimates of best-of-n's gold reward against n, from five sets of samples. The "
        "band stays narrow around 0 up to some hundred draws and widens strongly towards n = 4,096.",
    )


def turn(curves: Sequence[Curve]) -> None:
    """Learnt and gold reward of best-of-n, for five reward models."""
    _show(
        figures.plot_overoptimization(curves),
        "The learnt reward only rises. The gold reward turns.",
        "Learnt and gold reward of best-of-n against the KL, bands over five reward models. The "
        "learnt reward rises all the way. The gold reward rises to a peak between 4 and 6 nats, "
        "marked for each seed, and then falls.",
    )


def pushers(curves: Sequence[Curve], traces: Mapping[str, Sequence[Curve]]) -> None:
    """The same beside other ways to push."""
    _show(
        figures.plot_overoptimization(curves, traces),
        "Whoever pushes, gold turns within a few nats",
        "Left: as before. Right: gold reward against KL for best-of-n, the exact optimum and PPO. All "
        "rise; without a penalty all have their peak at 4 to 6 nats and fall. PPO without a penalty "
        "ends at 18 nats, far below. PPO with a penalty stops near the peak.",
    )


def fits(panels: Mapping[str, Fitted]) -> None:
    """The forms, fitted to all points and to the first of them."""
    _show(
        figures.plot_fits(panels),
        "A form that fits the whole road does not foresee it",
        "Gold gained against KL, exact points and three fits, for best-of-n and the exact optimum. "
        "The best-of-n form fitted to all points follows them. The RL form fits less well. The fit to "
        "the first 5 nats has its top much too far out.",
    )


def second(curves: Sequence[Curve]) -> None:
    """What two reward models say of best-of-n."""
    _show(
        figures.plot_second_model(curves, gold=False),
        "Two models that never met agree: more is better",
        "Score of the reward model that picks and of a second one against n. Both rise to the end, "
        "the second a little less.",
    )


def second_and_gold(curves: Sequence[Curve]) -> None:
    """The same with the gold reward."""
    _show(
        figures.plot_second_model(curves, gold=True),
        "The second model shares the first one's blind spot",
        "The same two curves, with the gold reward: it has its peak at some hundred draws and falls, "
        "while both scores rise.",
    )


def remedies(curves: Mapping[str, Sequence[Curve]], best: float) -> None:
    """Gold of best-of-n for the rewards of section 7; `best` is that of the best text of all."""
    _show(
        figures.plot_remedies(curves, best),
        "Five models delay the turn; so does asking about the right texts",
        "Gold reward of best-of-n against n for four rewards trained on 2,000 judgements each, bands "
        "over five seeds. One model ends lowest. Five members by their mean end higher, five by uwo "
        "and one model with labels on the policy's own texts end highest.",
    )
