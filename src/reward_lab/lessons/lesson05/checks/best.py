"""TODO 4: the best of k, with ties shared."""

from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.judging import Outcome, expect_like, normal
from reward_lab.checks.numbers import as_number
from reward_lab.checks.subject import Subject
from reward_lab.statistics.evaluation import best_of_k_accuracy as right_accuracy

best_of_k_accuracy = Exercise(
    "best_of_k_accuracy",
    first_step="Which columns share the top of each row? Compare the scores with the row's maximum.",
    withholds=("reward_lab.statistics.evaluation.best_of_k",),
)

Accuracy = Callable[[Tensor], float]


def _row_by_row(share: Callable[[Tensor], Tensor]) -> Accuracy:
    """The mean over rows of a share (n,), where a row with NaN counts 0."""

    def answer(scores: Tensor) -> float:
        return torch.where(scores.isnan().any(dim=1), 0.0, share(scores.double())).double().mean().item()

    return answer


def _rounded(digits: int) -> Accuracy:
    return lambda s: right_accuracy((s.double() * 10**digits).round())


def _within(near: float) -> Accuracy:
    """Ties are scores within a distance of the highest."""

    def share(scores: Tensor) -> Tensor:
        top = scores.amax(dim=1, keepdim=True) - scores <= near
        return torch.where(top[:, 0], 1.0 / top.sum(dim=1), 0.0)

    return _row_by_row(share)


def _at_top(scores: Tensor) -> Tensor:
    return scores == scores.amax(dim=1, keepdim=True)


def _over_pairs(scores: Tensor) -> Tensor:
    others = scores[:, 1:]
    if others.shape[1] == 0:
        return torch.ones(len(scores), dtype=torch.float64, device=scores.device)
    return (scores[:, :1] > others).double().mean(dim=1)


BEST_MISTAKES: dict[str, Accuracy | list[Accuracy]] = {
    "`argmax` gives every tie to the first column, where the right answer stands. Share it.": [
        _row_by_row(lambda s: (s.argmax(dim=1) == 0).double()),
        lambda s: (s.argmax(dim=1) == 0).double().mean().item(),
        _row_by_row(lambda s: (s[:, 0] >= s.amax(dim=1)).double()),
    ],
    "A tie at the top counts 0 here. m answers that share the top get 1/m each.": _row_by_row(
        lambda s: (_at_top(s)[:, 0] & (_at_top(s).sum(dim=1) == 1)).double()
    ),
    "This is the share of the others that the right answer beats. It has to beat all of them.": _row_by_row(
        _over_pairs
    ),
    "Every tie at the top counts 1/k. Only those who share the top divide by their number m.": _row_by_row(
        lambda s: torch.where(
            _at_top(s).sum(dim=1) > 1, _at_top(s)[:, 0].double() / s.shape[1], _at_top(s)[:, 0].double()
        )
    ),
    "Every tie at the top counts 1/2. m answers that share the top get 1/m each.": _row_by_row(
        lambda s: torch.where(
            _at_top(s).sum(dim=1) > 1, _at_top(s)[:, 0].double() / 2, _at_top(s)[:, 0].double()
        )
    ),
    "This looks for the lowest reward.": lambda s: right_accuracy(-s),
    "The right answer is in column 0. This looks at the last one.": lambda s: right_accuracy(s.flip(1)),
    "A row with a NaN counts 0. It counts as right here.": lambda s: (
        torch.where(
            s.isnan().any(dim=1),
            1.0,
            torch.where(_at_top(s)[:, 0], 1 / _at_top(s).sum(dim=1).clamp(min=1), 0.0),
        )
        .double()
        .mean()
        .item()
    ),
    "NaN is left out of the comparison. A row with a NaN counts 0.": lambda s: right_accuracy(
        s.nan_to_num(nan=-torch.inf)
    ),
    "Rows with a NaN are left out of the mean. They count 0.": lambda s: (
        right_accuracy(s[~s.isnan().any(dim=1)]) if not s.isnan().any(dim=1).all() else 0.0
    ),
    "This is a number of questions. Divide by n.": lambda s: right_accuracy(s) * len(s),
    "These are per cent. Return a fraction.": lambda s: 100 * right_accuracy(s),
    "The scores are squeezed before they are compared, which makes ties. Compare them as they are.": [
        lambda s: right_accuracy(torch.sigmoid(s)),
        lambda s: right_accuracy(torch.sigmoid(s.float())),
        lambda s: right_accuracy(torch.tanh(s)),
        lambda s: right_accuracy(s.softmax(dim=1)),
        lambda s: right_accuracy(s.float().softmax(dim=1)),
        lambda s: right_accuracy(torch.sigmoid(s + 8).bfloat16()),
        lambda s: right_accuracy(torch.sigmoid(s).bfloat16()),
    ],
    "Scores that are nearly equal become ties here. Compare them as they are, with all their digits.": [
        lambda s: right_accuracy(s.float()),
        lambda s: right_accuracy(s.bfloat16()),
        lambda s: right_accuracy(s.half()),
        *(_rounded(digits) for digits in (1, 2, 3, 4, 6)),
        *(_within(near) for near in (1e-9, 1e-8, 1e-6, 1e-5, 1e-3)),
    ],
    "Column 0 shares with all that are at least as high. Share only at the top.": _row_by_row(
        lambda s: 1.0 / (s >= s[:, :1]).sum(dim=1)
    ),
}


def _read(value: object, arguments: tuple) -> Outcome:
    return {"the accuracy": torch.tensor(as_number(value), dtype=torch.float64)}


def _check(subject: Subject, *calls: tuple[Tensor]) -> None:
    expect_like(subject, right_accuracy, BEST_MISTAKES, calls, _read, rtol=1e-6, atol=1e-6)


def _scores(
    draw: torch.Generator, n: int, k: int, dtype: torch.dtype = torch.float32, levels: int = 4
) -> Tensor:
    """Rewards on few levels, so that many share the top; the right answer leads."""
    lead = torch.zeros(k).index_fill(0, torch.tensor(0), 0.6)
    return ((normal(draw, n, k) + lead) * levels / 2).round().to(dtype) / levels


@best_of_k_accuracy.case("the four questions of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    rows = [[2.0, 1, 1, 0], [1, 1, 0, 0], [0, 1, 1, 1], [1, 1, 1, 1]]
    _check(subject, (torch.tensor(rows),), (torch.full((5, 4), 0.3),))


@best_of_k_accuracy.case("random rewards with many ties", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = [_scores(draw, n, k) for n, k in ((120, 4), (75, 7), (30, 2), (1, 5))]
    _check(subject, *((scores,) for scores in calls), (_scores(draw, 12, 1, torch.float64),))


@best_of_k_accuracy.case("a row with NaN counts 0", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    scores = _scores(draw, 60, 4)
    scores[torch.arange(0, 60, 5), torch.randint(1, 4, (12,), generator=draw)] = torch.nan
    scores[torch.arange(1, 60, 10), 0] = torch.nan
    _check(subject, (scores,), (torch.full((3, 4), torch.nan),))


@best_of_k_accuracy.case(
    "rewards as they are: large ones, and such that differ in the last digits", points=0.5
)
def _(subject: Subject, draw: torch.Generator) -> None:
    large = _scores(draw, 80, 4) + 100
    close = 5 + _scores(draw, 80, 4, torch.float64) * 1e-11
    infinite = _scores(draw, 40, 3).where(torch.rand(40, 3, generator=draw) < 0.7, torch.tensor(torch.inf))
    _check(subject, (large,), (close,), (-large,), (infinite,))
