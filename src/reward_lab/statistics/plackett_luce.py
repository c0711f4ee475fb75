"""The Plackett-Luce model: a ranking as a series of choices, each among those that are left."""

import torch
from torch import Tensor

from .bradley_terry import centred_inverse, maximise
from .win_graph import no_finite_estimate


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


def pairs_of_rankings(rankings: Tensor) -> Tensor:
    """All pairs that rankings hold, as a table of wins.

    Args:
        rankings: (n, K) int64: item numbers, best first.

    Returns:
        (K, K) int64: [i, j] counts the rankings with i before j.
    """
    places = rankings.argsort(dim=1)  # (n, K): the place of each item
    return (places.unsqueeze(2) < places.unsqueeze(1)).sum(dim=0)


def plackett_luce_mle(rankings: Tensor) -> tuple[Tensor, Tensor]:
    """Maximum-likelihood scores of the Plackett-Luce model, centred at zero, and their standard errors.

    Hunter, "MM algorithms for generalized Bradley-Terry models" (Annals of Statistics, 2004), shows when they are finite;
    found by Newton's method.

    Args:
        rankings: (n, K) int64: item numbers, best first.

    Returns:
        Scores and standard errors of the centred scores, each (K,) float64.

    Raises:
        ValueError: there is no finite estimate; the message names the groups.
    """
    reason = no_finite_estimate(pairs_of_rankings(rankings).double())
    if reason is not None:
        raise ValueError(f"plackett_luce_mle: there is no finite estimate: {reason}.")
    items = rankings.shape[1]
    places = rankings.argsort(dim=1)
    turn = torch.arange(items - 1, device=rankings.device)
    gone = places.unsqueeze(1) < turn.unsqueeze(1)  # (n, K - 1, K): no longer there to be chosen at each turn
    chosen = torch.nn.functional.one_hot(rankings[:, :-1], items).sum(dim=(0, 1)).double()  # (K,)

    def curve(scores: Tensor) -> tuple[Tensor, Tensor]:
        chance = scores.expand(gone.shape).masked_fill(gone, -torch.inf).softmax(dim=-1).flatten(0, 1)
        total = chance.sum(dim=0)
        return chosen - total, torch.diag(total) - chance.T @ chance

    scores = maximise(curve, torch.zeros(items, dtype=torch.float64, device=rankings.device), items)
    return scores, centred_inverse(curve(scores)[1], items).diagonal().sqrt()


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
