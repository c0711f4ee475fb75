"""TODO 2: best-of-n estimated from samples."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import Outcome, expect_like, normal
from reward_lab.checks.numbers import as_number
from reward_lab.checks.subject import Subject
from reward_lab.rlhf.best_of_n import best_of_n_estimate as right_estimate

best_of_n_estimate = Exercise(
    "best_of_n_estimate",
    first_step="Sort the texts by score, lowest first. Of how many groups of n is the i-th the best?",
    withholds=("reward_lab.rlhf.best_of_n._best_of_subset_weights",),
)

Estimate = Callable[[Tensor, Tensor, int], float]


def _ascending(score: Tensor, gold: Tensor) -> list[float]:
    return gold[score.argsort()].double().tolist()


def _weighted(weight: Callable[[int, int, int], float], normalise: bool = False) -> Estimate:
    """The estimate with other weights: weight(i, n, N) of the i-th from below, i from 1."""

    def answer(score: Tensor, gold: Tensor, n: int) -> float:
        ranked = _ascending(score, gold)
        weights = [weight(i, n, len(ranked)) for i in range(1, len(ranked) + 1)]
        total = sum(w * g for w, g in zip(weights, ranked, strict=True))
        return total / sum(weights) if normalise else total

    return answer


def _log_comb(n: int, k: int) -> float:
    if not 0 <= k <= n:
        return -math.inf
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _binomial(above: int, below: int, over: int, of: int) -> float:
    """C(above, below) / C(over, of), through logarithms: whole numbers of 300 digits take long."""
    return math.exp(_log_comb(above, below) - _log_comb(over, of))


def _one_split(score: Tensor, gold: Tensor, n: int) -> float:
    groups = [range(start, start + n) for start in range(0, len(score) - n + 1, n)]
    best = [max(group, key=lambda i: score[i].item()) for group in groups]
    return sum(gold[i].item() for i in best) / len(best)


def _float32_logs(score: Tensor, gold: Tensor, n: int) -> float:
    count = len(score)
    i = torch.arange(n, count + 1, dtype=torch.float32)
    log = torch.lgamma(i) - torch.lgamma(torch.tensor(float(n))) - torch.lgamma(i - n + 1)
    over = [torch.lgamma(torch.tensor(float(x))) for x in (count + 1, n + 1, count - n + 1)]
    weights = (log - over[0] + over[1] + over[2]).exp()
    ranked = torch.tensor(_ascending(score, gold))[n - 1 :]
    return (weights * ranked).sum().item()


ESTIMATE_MISTAKES: dict[str, Estimate] = {
    "The texts are ranked by gold. Best-of-n does not see gold: rank by `score`.": lambda s, g, n: (
        right_estimate(g, g, n)
    ),
    "The texts are ranked from the highest score down: this is the worst of n.": lambda s, g, n: (
        right_estimate(-s, g, n)
    ),
    "This averages the score of the best. Its gold is asked for.": lambda s, g, n: right_estimate(s, s, n),
    "Only the first n texts are used. The mean goes over all groups of n.": lambda s, g, n: g[
        s[:n].argmax()
    ].item(),
    "The weight of text i counts C(i, n) groups. The other n - 1 come from the i - 1 below it: C(i - 1, n - 1).": (
        _weighted(lambda i, n, c: _binomial(i, n, c, n))
    ),
    "The other n - 1 texts are chosen from i texts. There are i - 1 below text i: C(i - 1, n - 1).": _weighted(
        lambda i, n, c: _binomial(i, n - 1, c, n)
    ),
    "The number of groups is C(N, n), not C(N - 1, n - 1).": _weighted(
        lambda i, n, c: _binomial(i - 1, n - 1, c - 1, n - 1)
    ),
    "The weights count groups of n with n in place of n - 1 others, made to sum to 1.": _weighted(
        lambda i, n, c: _binomial(i - 1, n, c, n) if c > n else 1, normalise=True
    ),
    "This draws with replacement: (i/N)^n - ((i-1)/N)^n. A text is in a group once at most, so count subsets.": (
        _weighted(lambda i, n, c: (i / c) ** n - ((i - 1) / c) ** n)
    ),
    "gold is not sorted along with the scores.": lambda s, g, n: right_estimate(torch.arange(len(g)), g, n),
    "This is the gold of the best of all N. Groups have n texts.": lambda s, g, n: g[s.argmax()].item(),
    "This is the mean gold of the n best. Each group of n has one best text, often a lower one.": lambda s, g, n: (
        g[s.argsort()][-n:].double().mean().item()
    ),
    "n is not used: this is the mean gold of all texts.": lambda s, g, n: g.double().mean().item(),
    "The group has n - 1 texts here. It has n.": lambda s, g, n: right_estimate(s, g, max(n - 1, 1)),
    "One split into N / n groups uses few of the subsets. All C(N, n) count.": _one_split,
    "The logarithms are in float32, and differences of large ones keep few digits. Use float64.": _float32_logs,
}


def _read(value: object, arguments: tuple) -> Outcome:
    return {"the estimate": torch.tensor(as_number(value), dtype=torch.float64)}


def _check(subject: Subject, *calls: tuple) -> None:
    expect_like(subject, right_estimate, ESTIMATE_MISTAKES, calls, _read, rtol=1e-5, atol=1e-5)


def _texts(draw: torch.Generator, count: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Distinct scores, and gold that goes with them only in part."""
    score = torch.randperm(count, generator=draw).to(dtype) / count
    return score, 1 + 3 * score + normal(draw, count, dtype=dtype)


@best_of_n_estimate.case("the four texts of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    score, gold = torch.tensor([0.2, 0.9, 0.5, 0.7]), torch.tensor([1.0, 2.0, 4.0, 3.0])
    _check(subject, *((score, gold, n) for n in (1, 2, 3, 4)))


@best_of_n_estimate.case("random texts", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = []
    for count, n, dtype in ((64, 16, torch.float64), (9, 2, torch.float32), (1, 1, torch.float32)):
        calls.append((*_texts(draw, count, dtype), n))
    score, gold = _texts(draw, 40, torch.float64)
    calls.append((100 * score, 60 * gold - 90, 3))
    _check(subject, *calls)


@best_of_n_estimate.case("thousands of texts: nothing overflows", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, *((*_texts(draw, 1200), n) for n in (2, 500)))


@best_of_n_estimate.case("more draws than texts raise ValueError", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    failure = subject.error(*_texts(draw, 6), 7)
    if failure is None or failure.type_name != "ValueError":
        raise Mistake(
            "ValueError for n 7 and 6 texts",
            "no exception" if failure is None else str(failure),
            "6 texts hold no group of 7, so nothing can be averaged: check n first.",
        )
