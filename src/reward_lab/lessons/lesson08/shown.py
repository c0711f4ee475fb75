"""Figures of lesson 8 that answer a question: drawn here, with title and alt text, so that the notebook does not tell."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from reward_lab.plots import show
from reward_lab.rlhf import DPOHistory, Known, RLHistory, best_accuracy, best_loss

from . import figures
from .experiments import Limits, Way


def _show(figure: Figure, title: str, alt: str) -> None:
    figure.suptitle(title)
    show(figure, alt)


def own(run: DPOHistory, mine: DPOHistory | None, limits: Limits) -> None:
    """The package's run on pairs of the reference, and the reader's own."""
    _show(
        figures.plot_sources({"the reference's texts": [run]}, limits, own=mine),
        "DPO on judged pairs, and no reward model anywhere",
        "J against judgements for one run of DPO on texts of the reference. It rises steeply over the first "
        "10,000 judgements and levels off below the line of the best policy. Circles of your own "
        "dpo_step lie on the curve, if it is there.",
    )


def sources(runs: Mapping[str, Sequence[DPOHistory]], ppo: Sequence[RLHistory], limits: Limits) -> None:
    """J against judgements for pairs of three kinds, and for PPO."""
    _show(
        figures.plot_sources(runs, limits, ppo),
        "The loss is the same. The pairs decide how far it goes.",
        "J against judgements, bands over five seeds. DPO on the policy's own texts rises to just below the "
        "best policy, as does PPO that is told the gold reward. DPO on texts of the reference and on "
        "uniform texts stays far below both, and does not rise any more.",
    )


def small(runs: Sequence[DPOHistory], known: Known, limits: Limits) -> None:
    """Ten epochs on the same 4,000 pairs."""
    _show(
        figures.plot_small(runs, best_loss(known), best_accuracy(known), limits),
        "Loss falls, held-out accuracy rises, and the policy gets worse",
        "Ten epochs on 4,000 pairs, bands over five seeds. Left: the training loss falls all the way, "
        "to about the best possible on new pairs. Middle: "
        "held-out accuracy rises and levels off below the best possible. Right: J rises for two to five "
        "epochs, and then falls.",
    )


def log_ratios(runs: Sequence[DPOHistory], at_optimum: tuple[float, float]) -> None:
    """Log-ratios of preferred and rejected texts."""
    _show(
        figures.plot_log_ratios(runs, at_optimum),
        "Both fall, and so they do at the best policy of all",
        "Mean log-ratio of preferred and of rejected texts against the epoch, bands over five seeds. Both fall "
        "below 0, the rejected ones further. Dotted lines show the best policy's: both are lower still.",
    )


def logged(runs: Sequence[DPOHistory], known: Known) -> None:
    """What the colleague sees."""
    _show(
        figures.plot_logged(runs, best_loss(known), best_accuracy(known)),
        "A run like any other",
        "A colleague's training loss falls smoothly over ten epochs, and her held-out accuracy rises. "
        "Both stay short of the best possible.",
    )


def unlogged(
    hers: Sequence[DPOHistory], mended: Sequence[DPOHistory], limits: Limits, at_a_sixth: Limits
) -> None:
    """What she does not see."""
    _show(
        figures.plot_unlogged(hers, mended, limits, at_a_sixth),
        "What she did not log: how far it went, and what it was worth",
        "KL and J over ten epochs for the colleague's loss and the mended one. Hers goes beyond 10 nats and its J "
        "falls below the reference's. The mended one stays near 3.5 nats, "
        "where the best policy is.",
    )


def one_page(pages: Sequence[Mapping[str, Way]], limits: Limits) -> None:
    """The ways beside each other."""
    _show(
        figures.plot_ways(pages, limits),
        "The same 4,000 judgements, three ways",
        "Gold reward against KL for best-of-32, PPO and DPO after 3 and 10 epochs, a mark a seed, with the curve "
        "of the most gold at each KL above them. Best-of-32 and PPO lie together, near 2.4 nats. DPO "
        "after 3 epochs is nearer to the reference with less gold, after 10 epochs farther out than all "
        "and with no more gold than they have.",
    )
