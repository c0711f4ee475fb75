"""TODO 4 of lesson 3, the package's way: one noisy world, three losses, two scores each."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reward_lab.statistics.noise import PreferenceWorld, expected_scores, noisy_labels
from reward_lab.statistics.noisy_losses import flip_corrected_loss, smoothed_bt_loss

Scores = dict[str, tuple[float, float]]
"""Loss -> (scale of the fitted rewards, accuracy)."""


def compare_cures(
    difference: Tensor, labels: Tensor, held_out: Tensor, p: Tensor, flip_rate: float
) -> Scores:
    """Fit one weight per feature with each of three losses, and judge the fits by the true probabilities.

    Args:
        difference: (n, d) floating point, features of the first text minus those of the second.
        labels: (n,) bool, whether the first text is labelled as preferred.
        held_out: (m, d), of pairs that nothing is fitted to.
        p: (m,) their true probability that the first is preferred, above 0 and below 1.
        flip_rate: how often a label was flipped; also the smoothing.

    Returns:
        For `plain`, `smoothed` and `corrected` the slope of the fitted on the true margins, and the accuracy.
    """
    losses: dict[str, Callable[[Tensor], Tensor]] = {
        "plain": lambda margin: smoothed_bt_loss(margin, 0.0),
        "smoothed": lambda margin: smoothed_bt_loss(margin, flip_rate),
        "corrected": lambda margin: flip_corrected_loss(margin, flip_rate),
    }
    true = torch.logit(p.double())
    found = {}
    for name, loss in losses.items():
        margin = held_out.double() @ fit_weights(difference, labels, loss)
        scale = (margin * true).mean() / true.square().mean()
        found[name] = (scale.item(), expected_scores(margin, p).accuracy)
    return found


def fit_weights(difference: Tensor, labels: Tensor, loss: Callable[[Tensor], Tensor]) -> Tensor:
    """(d,) float64 weights at which the loss of the labelled margins is least, by L-BFGS from 0."""
    signed = torch.where(labels, 1.0, -1.0).unsqueeze(1).double() * difference.double()
    weights = torch.zeros(
        difference.shape[1], dtype=torch.float64, device=difference.device, requires_grad=True
    )
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def objective() -> Tensor:
        optimizer.zero_grad()
        value = loss(signed @ weights)
        value.backward()
        return value

    optimizer.step(objective)
    return weights.detach()


def cures_at(
    compare: Callable[..., Scores],
    rates: Sequence[float],
    seed: int,
    device: torch.device | str = "cpu",
    num_pairs: int = 20_000,
) -> dict[str, list[float]]:
    """The scale of each loss's rewards at several flip rates, by somebody's comparison: loss -> one scale a rate."""
    generator = torch.Generator().manual_seed(seed)
    train, held_out = (PreferenceWorld().draw(num_pairs, generator) for _ in range(2))
    found: dict[str, list[float]] = {}
    for rate in rates:
        labels = noisy_labels(train.p, rate, generator)
        parts = (train.first - train.second, labels, held_out.first - held_out.second, held_out.p)
        scores = compare(*(part.to(device) for part in parts), rate)
        for name, (scale, _) in scores.items():
            found.setdefault(name, []).append(float(scale))
    return found
