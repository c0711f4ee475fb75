"""Best-of-n: draw n texts, keep the one that scores highest. Exactly, where all texts are known, and from samples."""

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor


def best_of_n(reference: Tensor, score: Tensor, n: int) -> Tensor:
    """The distribution of the text that best-of-n keeps.

    With F(s) the probability that one draw scores at most s, the best of n scores at most s with probability F(s)^n. What
    a score gets is the step of F^n there; texts with equal scores share it in proportion to their probabilities.

    Args:
        reference: (n_texts,) probabilities that sum to 1; entries may be 0.
        score: (n_texts,) floating point, finite: what the draws are ranked by.
        n: how many are drawn, at least 1. 2**20 is no problem.

    Returns:
        (n_texts,) float64 probabilities, in the order of the inputs. Small ones keep their digits.

    Raises:
        ValueError: the shapes differ, there are no texts, or n is below 1.
    """
    return next(best_of_n_path(reference, score, [n]))


def best_of_n_path(reference: Tensor, score: Tensor, ns: Iterable[int]) -> Iterator[Tensor]:
    """`best_of_n` for several n, one after the other. The scores are sorted once.

    Args:
        reference, score: as for best_of_n.
        ns: each n.

    Yields:
        (n_texts,) float64 probabilities, one tensor for each n.

    Raises:
        ValueError: as for best_of_n.
    """
    if reference.shape != score.shape or reference.dim() != 1 or reference.numel() == 0:
        raise ValueError(
            "best_of_n: expected two tensors of shape (n_texts,) with at least one text, got "
            f"{tuple(reference.shape)} and {tuple(score.shape)}"
        )
    reference = reference.double()
    levels, level = torch.unique(score, return_inverse=True)  # ascending; level of each text
    mass = torch.zeros(len(levels), dtype=torch.float64, device=reference.device)
    mass.index_add_(0, level, reference)
    log_at_most = _log_at_most(mass)
    # log of F just below a level minus log F at it, from the mass there: -inf at the lowest level.
    log_step = torch.log1p(-(mass / log_at_most.exp()).clamp(max=1.0))
    within = torch.where(reference > 0, reference / mass[level], 0.0)
    for n in ns:
        if n < 1:
            raise ValueError(f"best_of_n: n must be at least 1, got {n}")
        # F^n - G^n, with G the F just below, is F^n (1 - (G / F)^n). Subtracted as it stands it loses its digits near 1.
        gained = (n * log_at_most).exp() * -torch.expm1(n * log_step)
        yield within * torch.where(mass > 0, gained, 0.0)[level]


def _log_at_most(mass: Tensor) -> Tensor:
    """log F at each level, from the side on which less is added up: near F = 1 its logarithm needs 1 - F."""
    above = mass.flip(0).cumsum(0).flip(0) - mass
    below = mass.cumsum(0)
    return torch.where(below < 0.5, below.log(), torch.log1p(-above.clamp(0.0, 1.0)))


def best_of_n_kl_bound(n: int) -> float:
    """log n - (n - 1) / n nats: what the KL of best-of-n to its reference never exceeds.

    It is reached where no two texts have the same score and each is rare; ties make the KL smaller (Beirami et al.,
    "Theoretical guarantees on the best-of-n alignment policy", 2024).
    """
    return math.log(n) - (n - 1) / n


def best_of_n_estimate(score: Tensor, gold: Tensor, n: int) -> float:
    """Expected gold of best-of-n, estimated from N texts of the reference without bias.

    The mean, over all subsets of n of the N texts, of the gold of each subset's best. In ascending order of score, text i
    (from 1) is the best of C(i - 1, n - 1) of the C(N, n) subsets. (The same count gives pass@k: Chen et al., "Evaluating
    large language models trained on code", 2021. For best-of-n: Nakano et al., "WebGPT", 2021.)

    Args:
        score: (N,) floating point, no two alike unless their gold is alike too.
        gold: (N,) what is averaged.
        n: from 1 to N.

    Returns:
        A float.

    Raises:
        ValueError: the shapes differ, or n is not from 1 to N.
    """
    if score.shape != gold.shape or score.dim() != 1:
        raise ValueError(
            f"best_of_n_estimate: expected two tensors of shape (N,), got {tuple(score.shape)} and {tuple(gold.shape)}"
        )
    if not 1 <= n <= len(score):
        raise ValueError(f"best_of_n_estimate: n must be from 1 to {len(score)}, got {n}")
    order = score.argsort(stable=True)
    return (_best_of_subset_weights(len(score), n).to(gold.device) * gold[order].double()).sum().item()


def _best_of_subset_weights(count: int, n: int) -> Tensor:
    """C(i - 1, n - 1) / C(count, n) for i = 1 .. count: (count,) float64 on the CPU.

    From the top: n / count, and then each is (i - n + 1) / i times the one above it. The binomials alone would overflow.
    """
    i = torch.arange(1, count, dtype=torch.float64)
    factors = ((i - n + 1) / i).clamp(min=0.0).flip(0)
    return (n / count * torch.cat([torch.ones(1, dtype=torch.float64), factors.cumprod(0)])).flip(0)


def choose_n(ns: Sequence[int], wins: Sequence[float], comparisons: Sequence[int]) -> int:
    """The n whose texts won the largest share of their fresh comparisons; of equal ones the smallest n.

    Args:
        ns: candidates, distinct, in any order.
        wins: comparisons that each one won against a common opponent; a tie is half a win.
        comparisons: how many each one had; a candidate without any can't be chosen.

    Returns:
        One of `ns`.

    Raises:
        ValueError: the lengths differ, or nothing was compared.
    """
    if not len(ns) == len(wins) == len(comparisons) or not any(comparisons):
        raise ValueError("choose_n: expected three lists of one length, and at least one comparison")
    rated = [(won / of, -n) for n, won, of in zip(ns, wins, comparisons, strict=True) if of]
    return -max(rated)[1]
