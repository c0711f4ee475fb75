"""TODO 1: the distribution of best-of-n."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.judging import Outcome, expect_like, normal, numbers_of
from reward_lab.checks.subject import Subject
from reward_lab.rlhf.best_of_n import best_of_n as right_best

best_of_n = Exercise(
    "best_of_n",
    first_step="For each text, add up the reference probability of all texts that score at most as high: that is F.",
    withholds=("reward_lab.rlhf.best_of_n.best_of_n_path",),
)

Best = Callable[[Tensor, Tensor, int], Tensor]


def _at_most(reference: Tensor, score: Tensor) -> Tensor:
    """F at each text's score."""
    return ((score.unsqueeze(0) <= score.unsqueeze(1)).double() * reference).sum(dim=1).clamp(max=1.0)


def _below(reference: Tensor, score: Tensor) -> Tensor:
    """F just below each text's score."""
    return ((score.unsqueeze(0) < score.unsqueeze(1)).double() * reference).sum(dim=1)


def _normalised(weights: Tensor) -> Tensor:
    return weights / weights.sum()


def _by_place(reference: Tensor, score: Tensor, n: int, keep_sorted: bool = False) -> Tensor:
    """Texts with equal scores ranked by where they stand."""
    order = score.argsort(stable=True)
    at_most = reference[order].cumsum(0).clamp(max=1.0)
    steps = at_most**n - torch.cat([at_most.new_zeros(1), at_most[:-1]]) ** n
    return steps if keep_sorted else torch.zeros_like(steps).index_copy(0, order, steps)


def _shared_equally(reference: Tensor, score: Tensor, n: int) -> Tensor:
    same = (score.unsqueeze(0) == score.unsqueeze(1)).double().sum(dim=1)
    return (_at_most(reference, score) ** n - _below(reference, score) ** n) / same


def _unshared(reference: Tensor, score: Tensor, n: int) -> Tensor:
    return _at_most(reference, score) ** n - _below(reference, score) ** n


def _subtracted(reference: Tensor, score: Tensor, n: int) -> Tensor:
    same = (score.unsqueeze(0) == score.unsqueeze(1)).double() * reference
    return _unshared(reference, score, n) * torch.where(reference > 0, reference / same.sum(dim=1), 0.0)


def _through_float32(reference: Tensor, score: Tensor, n: int) -> Tensor:
    return _subtracted(reference.float(), score, n).double()


TIES = (
    "Texts with equal scores are ranked by their place. They share what their score gets, in proportion to "
    "`reference`."
)
DIGITS = (
    "A small probability lost its digits: F^n - G^n subtracts two numbers next to 1. Write the step as "
    "F^n (1 - (G/F)^n), with `torch.log1p` and `torch.expm1`, and add up 1 - F from the top."
)

BEST_MISTAKES: dict[str, Best] = {
    TIES: _by_place,
    "The result is in the order of the scores. Put it back in the order of the inputs.": lambda p, s, n: (
        right_best(p, s, n)[s.argsort(stable=True)]
    ),
    "The result is in the order of the scores, and ties are ranked by place.": lambda p, s, n: _by_place(
        p, s, n, keep_sorted=True
    ),
    "This keeps the worst of n: a higher score must get more probability.": lambda p, s, n: right_best(
        p, -s, n
    ),
    "This is F to the power n, the probability of a score this high or lower. A text gets the step of it.": (
        lambda p, s, n: _at_most(p, s) ** n
    ),
    "n F^(n-1) times the probability is right for continuous scores only. Here take the step F^n - G^n.": (
        lambda p, s, n: n * _at_most(p, s) ** (n - 1) * p
    ),
    "n F^(n-1) times the probability, made to sum to 1, is right for continuous scores only. Take the step F^n - G^n.": (
        lambda p, s, n: _normalised(n * _at_most(p, s) ** (n - 1) * p)
    ),
    "The power is n - 1. All n draws must score at most so high: the power is n.": lambda p, s, n: right_best(
        p, s, max(n - 1, 1)
    ),
    "The power is n + 1. There are n draws: the power is n.": lambda p, s, n: right_best(p, s, n + 1),
    "This weighs by exp(n * score). Best-of-n knows the order of the scores, not their size.": lambda p, s, n: (
        torch.softmax(p.log() + n * s.double(), 0)
    ),
    "All of the probability is on the text with the highest score. It is drawn only sometimes.": (
        lambda p, s, n: torch.eye(len(s), dtype=torch.float64, device=s.device)[s.argmax()]
    ),
    "The reference is not used: its texts are not equally likely.": lambda p, s, n: right_best(
        torch.full_like(p, 1 / len(p)), s, n
    ),
    "n is not used: this is the reference.": lambda p, s, n: p.clone(),
    "This raises the reference to the power n. F, the sum up to a score, has to be raised.": lambda p, s, n: (
        _normalised(p**n)
    ),
    "Texts with equal scores share equally. They share in proportion to `reference`.": _shared_equally,
    "Each of the texts with equal scores gets all that the score gets. They share it, in proportion to `reference`.": (
        _unshared
    ),
    "These are log-probabilities. Return probabilities.": lambda p, s, n: right_best(p, s, n).log(),
    DIGITS: _subtracted,
    "This adds up in float32, which has 7 digits. Use float64 throughout.": _through_float32,
}


def _read(value: object, arguments: tuple) -> Outcome:
    return {"the probability": numbers_of(value, tuple(arguments[0].shape), "the result")}


def _check(
    subject: Subject, *calls: tuple, rtol: float = 1e-4, atol: float = 1e-6, otherwise: str | None = None
) -> None:
    def explain(got: Sequence[Outcome], want: Sequence[Outcome]) -> str | None:
        """Each score gets what it should, and its texts do not: in whichever way they were ranked."""
        for (_, score, _), came, right in zip(calls, got, want, strict=True):
            at_score = (score.unsqueeze(0) == score.unsqueeze(1)).double()
            if not torch.allclose(
                *(at_score @ x["the probability"] for x in (came, right)), rtol=rtol, atol=atol
            ):
                return otherwise
        return TIES

    expect_like(subject, right_best, BEST_MISTAKES, calls, _read, rtol=rtol, atol=atol, explain=explain)


def _reference(draw: torch.Generator, size: int) -> Tensor:
    return torch.softmax(normal(draw, size, dtype=torch.float64), 0)


def _scores(draw: torch.Generator, size: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Distinct scores of either sign, in random order and not equally far apart."""
    return (torch.randperm(size, generator=draw).to(dtype) - size / 3) ** 3 / size


@best_of_n.case("the three texts of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    reference, score = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), torch.tensor([0.0, 1.0, 2.0])
    _check(subject, (reference, score, 2), (reference, score, 4))


@best_of_n.case("random scores, from one draw to many", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = [(_reference(draw, 1), _scores(draw, 1), 3)]
    for size, dtype, n in ((12, torch.float32, 1), (30, torch.float64, 5), (40, torch.float32, 32)):
        calls.append((_reference(draw, size), _scores(draw, size, dtype), n))
    _check(subject, *calls)


@best_of_n.case("equal scores, and texts that the reference never writes", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = []
    for n in (1, 3, 8):
        reference = _reference(draw, 24)
        reference[:3] = 0.0
        score = torch.randint(0, 5, (24,), generator=draw).double()
        score[:2], score[-1] = score[3], 7.0
        score[2] = 9.0  # the highest of all, and never written
        calls.append((reference / reference.sum(), score, n))
    _check(subject, *calls)


@best_of_n.case("a million draws, and probabilities near 1e-18", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    rare = 1e-18 * (1 + torch.rand(1, generator=draw, dtype=torch.float64))
    common = torch.tensor([0.6, 0.4], dtype=torch.float64)
    reference = torch.cat([common[:1], rare, common[1:]])
    score = torch.tensor([0.0, 5.0, 1.0]) + torch.rand(1, generator=draw)
    # There are many ways to lose the digits, and each leaves other ones.
    _check(subject, (reference, score, 1000), (reference, score, 2), rtol=1e-3, atol=1e-21, otherwise=DIGITS)
    many = torch.softmax(3 * normal(draw, 60, dtype=torch.float64), 0)
    _check(subject, (many, _scores(draw, 60), 2**20), rtol=1e-3)
