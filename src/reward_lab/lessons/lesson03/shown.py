"""Figures of lesson 3 that answer a question: drawn here, with title and alt text, so that the notebook does not tell."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from reward_lab.plots import show

from . import figures


def floors(
    forecasts: np.ndarray,
    scores: np.ndarray,
    p: float,
    simulated: Mapping[int, Sequence[float]],
    limits: Mapping[str, float],
) -> None:
    """The Brier score of each forecast for one pair, and of the true p for many.

    Args:
        forecasts, scores: (n,) each.
        p: the pair's true probability.
        simulated: number of labels -> the Brier score of the true p, for each seed.
        limits: the right floor, then the wrong one, by name.
    """
    right, wrong = limits.values()
    show(
        figures.plot_floors(forecasts, scores, p, simulated, limits),
        alt=f"Left: the simulated Brier score of one pair is a parabola with its lowest point "
        f"{scores.min():.2f} at the forecast "
        f"{forecasts[scores.argmin()]:.2f}, far above the line at {min(p, 1 - p) ** 2:.2f}. Right: the Brier "
        f"score of the true "
        f"probabilities settles at {right:.2f}, not at {wrong:.2f}.",
    )


def loss_shapes(
    margins: np.ndarray, values: Mapping[str, np.ndarray], slopes: Mapping[str, np.ndarray], rate: float
) -> None:
    """Values and slopes of the three losses: name -> (n,), at these (n,) margins; `rate` is that of slips and smoothing."""
    show(
        figures.plot_loss_shapes(
            margins, values, slopes, "Smoothing pulls back the sure; the correction lets go of the hopeless"
        ),
        alt="Left: the plain loss falls towards 0; the smoothed one has its lowest point near "
        f"{math.log((1 - rate) / rate):.1f} and rises again; the corrected one is bounded by "
        f"{-math.log(rate):.1f}. Right: the "
        f"slopes at margin {margins[0]:.0f} and at {margins[-1]:.0f}: "
        + "; ".join(f"{name} {slope[0]:z.1f} and {slope[-1]:z.1f}" for name, slope in slopes.items())
        + ".",
    )


def perfect_forecaster(sizes: Sequence[int], measured: np.ndarray, expected: np.ndarray) -> None:
    """The ECE of the true p: (seeds, sizes) measured, (sizes,) calculated."""
    show(
        figures.plot_bands(
            sizes,
            {"measured, 10 bins": measured, "calculated: expected_ece": expected},
            ("true value", 0.0),
            "A perfect forecaster has a calibration error of 0, and never measures it",
            "number of labels",
            "ECE",
            log=True,
        ),
        alt="Both axes logarithmic. The ECE measured for a perfectly calibrated forecaster falls from about "
        f"{measured[:, 0].mean():.2f} at {sizes[0]} labels to {measured[:, -1].mean():.3f} at {sizes[-1]:,}, in "
        f"a straight line that "
        "the calculated values follow.",
    )


def cures(
    rates: Sequence[float], packages: Mapping[str, Sequence[float]], mine: Mapping | None = None
) -> None:
    """The scale of the rewards by loss and flip rate, the package's and, if it is there, the reader's own."""
    show(
        figures.plot_cures(
            rates, packages, mine, "One noisy world, three losses: only the correction keeps the scale"
        ),
        alt="Scale of the rewards against the flip rate, from 0 to 30 %: "
        + "; ".join(f"{name} from {scale[0]:.2f} to {scale[-1]:.2f}" for name, scale in packages.items())
        + (". Circles: the reader's own." if mine else "."),
    )


def training_losses(runs: Sequence[Sequence[float]]) -> None:
    """The loss before each step, one line a seed."""
    show(
        figures.plot_training_losses(runs, "Her loss, three seeds: it falls, and levels off"),
        alt=f"Training loss against steps for {len(runs)} seeds: it falls from {runs[0][0]:.2f} and ends between "
        f"{min(run[-1] for run in runs):.2f} and {max(run[-1] for run in runs):.2f}.",
    )
