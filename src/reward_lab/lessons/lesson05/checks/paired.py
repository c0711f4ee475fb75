"""TODO 5: a paired test."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.judging import Outcome, expect_like
from reward_lab.checks.numbers import as_number
from reward_lab.checks.subject import Subject
from reward_lab.statistics.evaluation import paired_test as right_test

paired_test = Exercise(
    "paired_test",
    first_step="Count the pairs on which the first model alone is right, and those on which the second alone is.",
)

Test = Callable[[Tensor, Tensor], float]


def _right(a: Tensor, b: Tensor) -> float:
    return right_test(a.cpu(), b.cpu())


def _counts(a: Tensor, b: Tensor) -> tuple[int, int]:
    return int((a & ~b).sum()), int((b & ~a).sum())


def _from_counts(value: Callable[[int, int], float]) -> Test:
    return lambda a, b: value(*_counts(a, b))


def _at_most(k: int, n: int) -> float:
    """P(X <= k) for a binomial with n and 1/2, whatever n."""
    logs = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2)
        for i in range(k + 1)
    ]
    return min(1.0, math.fsum(map(math.exp, logs)))


def _normal_tail(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2))


def _chi_square(b: int, c: int, corrected: bool) -> float:
    if b + c == 0:
        return 1.0
    return _normal_tail(max(0.0, abs(b - c) - corrected) / math.sqrt(b + c))


def _two_proportions(a: Tensor, b: Tensor) -> float:
    n, p, q = len(a), a.double().mean().item(), b.double().mean().item()
    together = (p + q) / 2
    spread = math.sqrt(2 * together * (1 - together) / n)
    return 1.0 if spread == 0 else _normal_tail((p - q) / spread)


def _all_pairs(a: Tensor, b: Tensor) -> float:
    right, wrong = int(a.sum()), int(b.sum())
    return min(1.0, 2 * _at_most(min(right, wrong), right + wrong))


TEST_MISTAKES: dict[str, Test | list[Test]] = {
    "This is one-sided. Twice it: either model might have been the better one.": [
        _from_counts(lambda b, c: _at_most(min(b, c), b + c)),
        _from_counts(lambda b, c: _at_most(c, b + c)),
        _from_counts(lambda b, c: _at_most(b, b + c)),
    ],
    "The sum starts from the larger count. P(X <= the smaller one) is asked for.": _from_counts(
        lambda b, c: min(1.0, 2 * _at_most(max(b, c), b + c))
    ),
    "The smaller count itself is left out of the sum: P(X <= m), not P(X < m).": _from_counts(
        lambda b, c: min(1.0, 2 * _at_most(min(b, c) - 1, b + c)) if b + c else 1.0
    ),
    "A probability is at most 1: take the minimum with 1.": _from_counts(
        lambda b, c: 2 * _at_most(min(b, c), b + c)
    ),
    "Only the probability of exactly this count is taken. Add up all that are as extreme.": _from_counts(
        lambda b, c: min(1.0, 2 * (_at_most(min(b, c), b + c) - _at_most(min(b, c) - 1, b + c)))
    ),
    "This is the normal approximation. The binomial is asked for.": [
        _from_counts(lambda b, c: _chi_square(b, c, False)),
        _from_counts(lambda b, c: _chi_square(b, c, True)),
    ],
    "This compares accuracies as if each model had seen other pairs. Use the pairs on which one alone is right.": (
        _two_proportions
    ),
    "All pairs on which a model is right are counted. Pairs on which both are right say nothing.": _all_pairs,
    "Only the pairs of the first model are tested, with all pairs as the number of throws.": lambda a, b: min(
        1.0, 2 * _at_most(min(_counts(a, b)), len(a))
    ),
    "The mid-p value counts the smaller count itself by half. The exact one counts it whole.": _from_counts(
        lambda b, c: min(1.0, _at_most(min(b, c), b + c) + _at_most(min(b, c) - 1, b + c)) if b + c else 1.0
    ),
    "Without a pair on which one alone is right, p is 1.": [
        lambda a, b: _right(a, b) if sum(_counts(a, b)) else 0.0,
        lambda a, b: _right(a, b) if sum(_counts(a, b)) else math.nan,
        lambda a, b: _right(a, b) if sum(_counts(a, b)) else 0.5,
    ],
    "This is 1 - p. Equal models have p 1, very different ones a p near 0.": lambda a, b: 1 - _right(a, b),
    "Large numbers were lost on the way: 2**n is no float above n = 1023. Divide whole numbers.": [
        lambda a, b: 0.0 if sum(_counts(a, b)) > 1023 else _right(a, b),
        lambda a, b: 1.0 if sum(_counts(a, b)) > 1023 else _right(a, b),
        lambda a, b: math.nan if sum(_counts(a, b)) > 1023 else _right(a, b),
    ],
}


def _read(value: object, arguments: tuple) -> Outcome:
    return {"p": torch.tensor(as_number(value), dtype=torch.float64)}


def _check(subject: Subject, *calls: tuple[Tensor, Tensor]) -> None:
    expect_like(subject, _right, TEST_MISTAKES, calls, _read, rtol=1e-5, atol=1e-12)


def _models(draw: torch.Generator, only_a: int, only_b: int, both: int, none: int) -> tuple[Tensor, Tensor]:
    a = torch.tensor([True] * only_a + [False] * only_b + [True] * both + [False] * none)
    b = torch.tensor([False] * only_a + [True] * only_b + [True] * both + [False] * none)
    order = torch.randperm(len(a), generator=draw)
    return a[order], b[order]


def _some(draw: torch.Generator, most: int) -> int:
    return int(torch.randint(3, most, (), generator=draw))


@paired_test.case("the two examples of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, _models(draw, 5, 1, 30, 4), _models(draw, 2, 10, 3, 1))


@paired_test.case("random models, either the better one", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    sizes = ((20, 9), (9, 24), (14, 14))
    calls = [
        _models(draw, b + _some(draw, 6), c + _some(draw, 6), _some(draw, 80), _some(draw, 30))
        for b, c in sizes
    ]
    _check(subject, *calls)


@paired_test.case("the same number of each, and no pair that tells", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, _models(draw, 6, 6, 9, 2), _models(draw, 0, 0, 12, 3), _models(draw, 4, 0, 1, 0))


@paired_test.case("thousands of pairs", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    lead = 60 + _some(draw, 30)
    _check(subject, _models(draw, 600 + lead, 600, 900, 300), _models(draw, 1500, 1500 + lead, 2000, 10))
