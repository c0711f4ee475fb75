"""The usual mistakes of TODO 5, as programs that make them."""

from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.statistics.calibration import calibration as right_calibration
from reward_lab.statistics.calibration import index_of_bin

Report = Callable[[Tensor, Tensor, int], dict]


def _report(
    index: Callable[[Tensor, int], Tensor] = index_of_bin,
    error: Callable[[list, int], float] | None = None,
    brier: Callable[[Tensor, Tensor], float] | None = None,
    point: Callable[[Tensor, Tensor, int, int, int], tuple] | None = None,
) -> Report:
    """A report that is right but for the parts given."""

    def report(probabilities: Tensor, outcomes: Tensor, bins: int) -> dict:
        p, y = probabilities.double(), outcomes.double()
        inside = index(p, bins)
        rows = [(p[inside == k], y[inside == k], k) for k in inside.unique().tolist() if k >= 0]
        make = point or (lambda a, b, k, bins, n: (a.mean().item(), b.mean().item(), len(a)))
        curve = [make(a, b, k, bins, len(p)) for a, b, k in rows]
        ece = sum(n * abs(m - r) for m, r, n in curve) / len(p) if error is None else error(curve, len(p))
        score = (p - y).square().mean().item() if brier is None else brier(p, y)
        return {"ece": ece, "brier": score, "curve": curve}

    return report


def _of_the_larger(probabilities: Tensor, outcomes: Tensor, bins: int) -> dict:
    larger = torch.maximum(probabilities, 1 - probabilities)
    return right_calibration(larger, (probabilities > 0.5) == outcomes, bins)


def _confidence(probabilities: Tensor, outcomes: Tensor, bins: int) -> dict:
    return right_calibration(torch.maximum(probabilities, 1 - probabilities), outcomes, bins)


def _equal_counts(p: Tensor, bins: int) -> Tensor:
    return p.argsort().argsort() * bins // len(p)


def _upper_edges(p: Tensor, bins: int) -> Tensor:
    return (torch.ceil(p * bins).long() - 1).clamp(min=0)


def _swapped(order: tuple[int, int, int]) -> Report:
    """The numbers of a point in another order."""

    def report(probabilities: Tensor, outcomes: Tensor, bins: int) -> dict:
        right = right_calibration(probabilities, outcomes, bins)
        return {**right, "curve": [tuple(point[place] for place in order) for point in right["curve"]]}

    return report


def _lower_open(p: Tensor, bins: int) -> Tensor:
    """Bins (lo, hi], as in a loop over edges with `p > lo` and `p <= hi`: 0 is in none of them."""
    return torch.ceil(p * bins).long() - 1


CALIBRATION_MISTAKES: dict[str, Report | list[Report]] = {
    "An edge belongs to the bin above it: bin k holds k / bins <= p < (k + 1) / bins.": _report(_upper_edges),
    "These bins are (lo, hi]: an edge is in the bin below it, and a probability of 0 in none. Bin k holds k / bins <= p < "
    "(k + 1) / bins.": _report(_lower_open),
    "The outcomes are reversed: True counts as 1.": lambda p, y, b: right_calibration(p, ~y, b),
    "A point ends with the count of pairs in the bin, not with their share.": _report(
        point=lambda a, b, k, bins, n: (a.mean().item(), b.mean().item(), len(a) / n)
    ),
    "A point ends with the count of all pairs in the bin, not with how many outcomes were True.": _report(
        point=lambda a, b, k, bins, n: (a.mean().item(), b.mean().item(), b.sum().item())
    ),
    "The numbers of a point stand in another order: mean probability, observed rate, count.": [
        _swapped(order) for order in ((0, 2, 1), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    ],
    "This is the root mean square of the bins' errors. Take absolute values, weighted by the counts.": _report(
        error=lambda curve, n: (sum(c * (m - r) ** 2 for m, r, c in curve) / n) ** 0.5
    ),
    "This takes every pair for a bin of its own: compare the mean probability of a bin with the rate in it.": (
        lambda p, y, b: {**right_calibration(p, y, b), "ece": (p - y.double()).abs().mean().item()}
    ),
    "The number of a point is the bin's, not the mean probability in it.": _report(
        point=lambda a, b, k, bins, n: (k / bins, b.mean().item(), len(a))
    ),
    "A probability of 1 got a bin of its own. It belongs to the last one.": _report(
        lambda p, b: (p * b).long()
    ),
    "A probability of 1 was lost. It belongs to the last bin.": _report(
        lambda p, b: torch.where(p < 1, (p * b).long(), -1)
    ),
    "This looks at the larger of p and 1 - p. Here every probability is that of the outcome True.": [
        _of_the_larger,
        _confidence,
    ],
    "These bins hold equally many. Bins of equal width are asked for.": _report(_equal_counts),
    "There is one bin too many or too few.": _report(lambda p, b: index_of_bin(p, max(1, b - 1))),
    "There is one bin too many.": _report(lambda p, b: index_of_bin(p, b + 1)),
    "The first number of a point is the mean probability in the bin, not the bin's middle.": _report(
        point=lambda a, b, k, bins, n: ((k + 0.5) / bins, b.mean().item(), len(a))
    ),
    "The first two numbers of a point are swapped: mean probability first, observed rate second.": _report(
        point=lambda a, b, k, bins, n: (b.mean().item(), a.mean().item(), len(a))
    ),
    "The observed rate is a share. This is how often the outcome was True.": _report(
        point=lambda a, b, k, bins, n: (a.mean().item(), b.sum().item(), len(a))
    ),
    "Every bin has the same weight here. Weight each by its share of the pairs.": _report(
        error=lambda curve, n: sum(abs(m - r) for m, r, _ in curve) / len(curve)
    ),
    "This is the largest error of a bin. The mean is asked for, weighted by the counts.": _report(
        error=lambda curve, n: max(abs(m - r) for m, r, _ in curve)
    ),
    "Errors of opposite sign cancel here: take the absolute value in each bin, then the mean.": _report(
        error=lambda curve, n: sum(c * (m - r) for m, r, c in curve) / n
    ),
    "Errors of opposite sign cancel here: the absolute value comes too late.": _report(
        error=lambda curve, n: abs(sum(c * (m - r) for m, r, c in curve) / n)
    ),
    "This squares the errors of the bins. Take absolute values.": _report(
        error=lambda curve, n: sum(c * (m - r) ** 2 for m, r, c in curve) / n
    ),
    "The counts are not divided by the number of pairs.": _report(
        error=lambda curve, n: sum(c * abs(m - r) for m, r, c in curve)
    ),
    "The Brier score takes the square of probability minus outcome, not its absolute value.": _report(
        brier=lambda p, y: (p - y).abs().mean().item()
    ),
    "This is the root of the Brier score.": _report(brier=lambda p, y: (p - y).square().mean().sqrt().item()),
    "This sums over the pairs. The Brier score is the mean.": _report(
        brier=lambda p, y: (p - y).square().sum().item()
    ),
    "This is p (1 - p), which does not look at the outcomes. It is the Brier score only if every p is right.": (
        _report(brier=lambda p, y: (p * (1 - p)).mean().item())
    ),
    "This counts both outcomes of a pair, so it is twice the Brier score of this lesson.": _report(
        brier=lambda p, y: 2 * (p - y).square().mean().item()
    ),
    "This is the log loss. The Brier score is the mean squared difference.": _report(
        brier=lambda p, y: -torch.log(torch.where(y > 0, p, 1 - p)).mean().item()
    ),
}
