"""Figures of lesson 9 that answer a question: drawn here, with title and alt text, so that the notebook does not tell."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from reward_lab.plots import show

from . import figures
from .experiments import DPORun
from .judge import BEST_WORDS
from .rewards import Curve


def _show(figure: Figure, title: str, alt: str) -> None:
    figure.suptitle(title)
    show(figure, alt)


def best_of_n(groups: Mapping[str, Sequence[Curve]], limit: Curve) -> None:
    """Learnt reward and gold against n."""
    _show(
        figures.plot_best_of_n(groups, limit),
        "Both learnt rewards rise. Gold rises with one of them.",
        "Two panels against n from 1 to 64, bands over five seeds. Left: the learnt reward of the answer sent rises "
        "for the bag of words and for the frozen model. Right: gold rises steadily for the frozen model, and hardly "
        "for the bag of words, whose band widens; a dotted line, chosen by gold itself, is far above both.",
    )


def length(groups: Mapping[str, Sequence[Curve]]) -> None:
    """Gold and words against n for three judges."""
    _show(
        figures.plot_length(groups, BEST_WORDS),
        "A judge who likes length is obeyed, and the readers pay",
        "Two panels against n from 1 to 64, bands over five seeds. Left: gold falls for the biased judge, and rises "
        "for the fair judge and for the biased one who compared answers of like length. Right: words rise to 17 for "
        "the biased judge, fall towards 10 for the fair one, and stay about level for like lengths.",
    )


def dpo(run: DPORun) -> None:
    """A run of DPO."""
    _show(
        figures.plot_dpo(run),
        "DPO on a real model, measured on what it writes",
        "Three panels against the steps of DPO: the gold score of the policy's own answers with error bars, "
        "their learnt reward, and the KL per token, which starts at 0, with error bars.",
    )
