"""The scaling forms of over-optimisation: how the gold gain depends on the distance from the reference."""

import math

import torch
from torch import Tensor

FORMS = ("bon", "rl")


def fit_overoptimization(kl: Tensor, gain: Tensor, form: str) -> tuple[float, float, float]:
    """Fit one of the forms of Gao, Schulman, Hilton, "Scaling laws for reward model overoptimization" (2022).

    With d = sqrt(KL): "bon" is gain = d (alpha - beta d), for best-of-n; "rl" is gain = d (alpha - beta log d). Both are
    linear in alpha and beta, so the least-squares fit is a formula. There is no intercept: no distance, no gain.

    Args:
        kl: (n,) KL to the reference in nats, at least 0. Points at 0 are left out; two different ones must remain.
        gain: (n,) gold reward minus that of the reference.
        form: "bon" or "rl".

    Returns:
        alpha, beta, and the KL at which the fitted curve is highest: alpha^2 / (4 beta^2), or exp(2 (alpha / beta - 1)). It
        is inf where beta is 0 or less, as the curve then never turns, and 0 where a "bon" curve only falls.

    Raises:
        ValueError: the shapes differ, the form is unknown, a KL is negative, or too few points remain.
    """
    if kl.shape != gain.shape or kl.dim() != 1 or form not in FORMS:
        raise ValueError(
            f"fit_overoptimization: expected two tensors of shape (n,) and a form of {FORMS}, got "
            f"{tuple(kl.shape)}, {tuple(gain.shape)} and {form!r}"
        )
    if (kl < 0).any():
        raise ValueError("fit_overoptimization: a KL is never negative")
    there = kl > 0
    distance, gain = kl.double()[there].sqrt(), gain.double()[there]
    if len(distance.unique()) < 2:
        raise ValueError("fit_overoptimization: expected at least two different KL above 0")
    columns = torch.stack([distance, -distance * fading(distance, form)], dim=1)  # (points, 2)
    # The normal equations would square the condition; two orthonormal columns keep the digits.
    q, r = torch.linalg.qr(columns)
    alpha, beta = torch.linalg.solve_triangular(r, (q.T @ gain).unsqueeze(1), upper=True).flatten().tolist()
    return alpha, beta, kl_at_peak(alpha, beta, form)


def fading(distance: Tensor, form: str) -> Tensor:
    """What beta is multiplied by, in the brackets of a form: (n,) square roots of the KL -> (n,)."""
    return distance if form == "bon" else distance.log()


def kl_at_peak(alpha: float, beta: float, form: str) -> float:
    """The KL at which a form is highest: see fit_overoptimization."""
    if beta <= 0:
        return math.inf
    if form == "bon":
        return max(0.0, alpha / (2 * beta)) ** 2
    exponent = 2 * (alpha / beta - 1)
    return math.exp(exponent) if exponent < 700 else math.inf


def fitted_gain(kl: Tensor, alpha: float, beta: float, form: str) -> Tensor:
    """The gain that a fitted form predicts: (n,) KL in nats, at least 0 -> (n,) float64. At KL 0 it is 0."""
    distance = kl.double().sqrt()
    return distance * (alpha - beta * fading(distance.clamp(min=1e-300), form))


def explained(gain: Tensor, fitted: Tensor) -> float:
    """R squared: the share of the variance of `gain` (n,) that `fitted` (n,) explains; below 0 if a constant does better."""
    gain, fitted = gain.double(), fitted.double()
    return 1 - ((gain - fitted).square().sum() / (gain - gain.mean()).square().sum()).item()
