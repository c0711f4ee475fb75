"""Do probabilities mean what they say? Reliability, Brier score, calibration error, temperature."""

import math

import torch
from torch import Tensor


def calibration(probabilities: Tensor, outcomes: Tensor, bins: int) -> dict:
    """Compare probabilities with what happened, in equal-width bins on [0, 1].

    Bin k holds the probabilities p with k / bins <= p < (k + 1) / bins; the last one also holds 1. Each
    probability is that of the outcome True, not the larger of the two (the binary case of Naeini et al.,
    "Obtaining well calibrated probabilities using Bayesian binning", 2015).

    Args:
        probabilities: (n,) floating point from 0 to 1, n >= 1.
        outcomes: (n,) bool, what happened; a number between 0 and 1 counts as so much of it.
        bins: how many bins, at least 1.

    Returns:
        `ece`, the expected calibration error: the sum over bins of (share of the n in the bin) times
        `|mean probability - observed rate|`; `brier`, the mean of (probability - outcome)^2 (Brier, 1950); and
        `curve`, a list with (mean probability, observed rate, count) for each bin that is not empty, in
        ascending order. Numbers are floats, counts ints.

    Raises:
        ValueError: the shapes differ, there are no probabilities, one is not from 0 to 1, or bins is below 1.
    """
    if probabilities.shape != outcomes.shape or probabilities.dim() != 1 or probabilities.numel() == 0:
        raise ValueError(
            f"calibration: expected two non-empty tensors of shape (n,), got {tuple(probabilities.shape)} and "
            f"{tuple(outcomes.shape)}"
        )
    if bins < 1:
        raise ValueError(f"calibration: bins must be at least 1, got {bins}")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():  # NaN fails too
        raise ValueError(
            "calibration: probabilities must be from 0 to 1; pass rewards through a sigmoid first"
        )
    p, happened = probabilities.detach().double(), outcomes.double()
    index = index_of_bin(p, bins)
    members = [index == k for k in index.unique()]
    curve = [(p[m].mean().item(), happened[m].mean().item(), int(m.sum())) for m in members]
    ece = sum(count * abs(mean - rate) for mean, rate, count in curve) / len(p)
    return {"ece": ece, "brier": (p - happened).square().mean().item(), "curve": curve}


def index_of_bin(probabilities: Tensor, bins: int) -> Tensor:
    """Number of the equal-width bin, 0 to bins - 1, of each probability; an edge belongs to the upper bin.

    Args:
        probabilities: (n,) floating point from 0 to 1.
        bins: how many bins.

    Returns:
        (n,) int64.
    """
    inner_edges = torch.arange(1, bins, dtype=torch.float64, device=probabilities.device) / bins
    return torch.bucketize(probabilities.double(), inner_edges, right=True)


def expected_ece(probabilities: Tensor, bins: int) -> float:
    """The calibration error that these probabilities would show, on average, if every one were right.

    It is not 0: in a bin the observed rate misses the true one by chance. If the outcomes have these
    probabilities, the sum of (probability - outcome) over a bin has mean 0 and variance V = sum of p (1 - p), and
    is close to normal, so the mean of its absolute value is close to sqrt(2 V / pi). The approximation is good
    for bins with V of 1 or more.

    Args:
        probabilities: (n,) floating point from 0 to 1, n >= 1.
        bins: as for `calibration`.

    Returns:
        A float, of order sqrt(bins / n).
    """
    p = probabilities.detach().double()
    variance = torch.zeros(bins, dtype=p.dtype, device=p.device)
    variance.scatter_add_(0, index_of_bin(p, bins), p * (1 - p))
    return (2 * variance / math.pi).sqrt().sum().item() / len(p)


def fit_temperature(margins: Tensor, outcomes: Tensor) -> float:
    """The T for which sigmoid(margin / T) has the least mean log loss on these outcomes.

    Guo et al., "On calibration of modern neural networks" (2017), section 4.2. A T above 1 says that the model
    was too sure. Use pairs that the model was not trained on.

    Args:
        margins: (n,) floating point, reward of the first text minus that of the second.
        outcomes: (n,) bool, whether the first was preferred.

    Returns:
        T, above 0.

    Raises:
        ValueError: no T is best: every margin has the right sign (the loss falls as T goes to 0), or the
            margins are no better than chance (it falls as T goes to infinity).
    """
    m, happened = margins.detach().double(), outcomes.double()

    def slope(inverse: float) -> float:
        """Derivative of the mean log loss with respect to 1 / T; it rises with 1 / T."""
        return (m * (torch.sigmoid(inverse * m) - happened)).mean().item()

    if not slope(0.0) < 0:
        raise ValueError("fit_temperature: these margins predict no better than chance; no temperature helps")
    if ((m > 0) == happened.bool())[m != 0].all():
        raise ValueError("fit_temperature: every margin has the right sign; use held-out pairs")
    low, high = 0.0, 1.0
    while slope(high) < 0:
        low, high = high, 2 * high
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 1 / high
