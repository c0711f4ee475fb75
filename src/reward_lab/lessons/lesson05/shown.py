"""Figures of lesson 5 that answer a question: drawn here, with title and alt text, so that the notebook does not tell."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from torch import Tensor

from reward_lab.plots import show

from . import figures
from .figures import Groups


def _show(figure: Figure, title: str, alt: str) -> None:
    figure.suptitle(title)
    show(figure, alt)


def what_is_measured() -> None:
    """The lesson in a diagram."""
    show(
        figures.plot_what_is_measured(),
        "Diagram. A judge, who goes by quality and perhaps by length, labels 8,000 pairs. A reward model is trained on "
        "them. It is held against pairs of the same judge, with the same bias, and against a judge without bias and edits.",
    )


def two_judges(measured: Groups) -> None:
    """Accuracy with two judges."""
    _show(
        figures.plot_two_judges(measured),
        "The same models: better and better, or worse and worse",
        "Held-out accuracy against the bias of the judge, five models each. With the same judge it rises, close below the "
        "best possible. With a judge without bias it falls, further and further below the best possible.",
    )


def recovered(worlds: Mapping[str, Groups]) -> None:
    """The figure of the lesson: three measures of a bias that is known."""
    _show(
        figures.plot_recovered(worlds),
        "An edit finds the bias. Correlation finds one where there is none.",
        "Recovered against injected bias, five models each, in two panels. Where length is independent of quality all three "
        "measures lie along the diagonal. Where good answers are longer, the edit and the slope at equal quality stay "
        "there, and the slope with length alone lies above it by almost 0.2 everywhere.",
    )


def controlled(runs: Sequence[tuple[float, float, float, float]]) -> None:
    """Win rates at equal length."""
    _show(
        figures.plot_controlled(runs),
        "At equal length the verbose writer wins half of the time",
        "Win rate of the verbose writer against the judge's bias, five runs each. The raw rate rises from one half to "
        "about 0.6. The length-controlled rate stays a little above one half, close to that of a judge without bias.",
    )


def styles(groups: Mapping[float, Sequence[Mapping[str, float]]]) -> None:
    """Accuracy by style."""
    _show(
        figures.plot_styles(groups),
        "The bias shows where style misleads",
        "Accuracy on easy, normal and hard comparisons for three biases. Easy is 1 throughout and normal stays above 0.9. "
        "Hard falls from 1 to about two thirds and then below one half.",
    )


def benchmarks(scores: Mapping[float, Sequence[Tensor]]) -> None:
    """The colleague's benchmark beside the mended one."""
    _show(
        figures.plot_benchmarks(scores),
        "A benchmark that gives full marks for nothing",
        "Accuracy on the best of four, the colleague's and the mended one, for models of three biases and for a model that "
        "gives every answer the same reward. Mended they are 1.0, below 0.9, about 0.7, 0.25. The colleague's numbers are "
        "higher for all biased models, and 1.0 for the last.",
    )


def report_card(rows: Mapping[str, tuple[float, float | None]]) -> None:
    """All five measures of two models."""
    _show(
        figures.plot_report_card(rows),
        "The report card of two models",
        "Five measures of a model without bias and of one with, the package's values as circles and the reader's as "
        "crosses. The model with bias likes a filler, fails where style misleads, and differs from one without.",
    )
