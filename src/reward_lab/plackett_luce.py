"""The Plackett-Luce model: a ranking as a series of choices, each among those that are left."""

import torch
from torch import Tensor


def plackett_luce_nll(scores: Tensor, ranking: Tensor) -> Tensor:
    """Negative log-likelihood of rankings under the Plackett-Luce model.

    The best is chosen among all with chance exp(score) / sum of exp(scores), the next among the rest in the same
    way, and so on: Plackett, "The analysis of permutations" (Applied Statistics, 1975); Luce, Individual Choice
    Behavior (1959). With two items it is the Bradley-Terry loss.

    Args:
        scores: (K,) floating point, K >= 1, one score per item.
        ranking: (K,) int64, or (n, K) for n rankings of the same items: item numbers, best first.

    Returns:
        A scalar tensor, in nats: the sum over places, and over rankings. Can be differentiated by `scores`.

    Raises:
        ValueError: the shapes don't fit, or a ranking does not name every item once.
    """
    if (
        scores.dim() != 1
        or len(scores) == 0
        or ranking.dim() not in (1, 2)
        or len(scores) != ranking.shape[-1]
    ):
        raise ValueError(
            f"plackett_luce_nll: expected scores (K,) and ranking (K,) or (n, K), got {tuple(scores.shape)} and "
            f"{tuple(ranking.shape)}"
        )
    if not torch.equal(
        ranking.sort(dim=-1).values, torch.arange(len(scores), device=ranking.device).expand_as(ranking)
    ):
        raise ValueError("plackett_luce_nll: a ranking must name every item once, from 0 to K - 1")
    ordered = scores[ranking]  # (..., K), best first
    # From the last place to the first, the log of the sum over those still there, without leaving the log scale.
    remaining = ordered.flip(-1).logcumsumexp(dim=-1).flip(-1)
    return (remaining - ordered).sum()


def draw_rankings(scores: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw rankings from the Plackett-Luce model: sort the scores with a Gumbel variable added to each (Yellott, 1977).

    Args:
        scores: (K,) floating point.
        count: how many rankings.
        generator: a generator on the scores' device.

    Returns:
        (count, K) int64: item numbers, best first.
    """
    exponential = torch.empty(count, len(scores), dtype=torch.float64, device=scores.device)
    exponential.exponential_(generator=generator)
    return (scores.double() - exponential.log()).argsort(dim=1, descending=True)
