"""TODO 5: one cautious reward of several reward models."""

from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.judging import Outcome, expect_like, normal, numbers_of
from reward_lab.checks.subject import Subject
from reward_lab.rlhf.ensembles import conservative_reward as right_reward

conservative_reward = Exercise(
    "conservative_reward",
    first_step="Do the three members of the example by hand: what is taken off each one before they are compared?",
)

Reward = Callable[[Tensor, Tensor, str, float], Tensor]


def _combined(
    centre: Callable[[Tensor, Tensor], Tensor] | None = None,
    mean: Callable[[Tensor], Tensor] | None = None,
    low: Callable[[Tensor], Tensor] | None = None,
    spread: Callable[[Tensor], Tensor] | None = None,
    sign: float = -1.0,
    price: bool = True,
) -> Reward:
    """The right combination, with a part of its own."""

    def answer(scores: Tensor, reference: Tensor, mode: str, coefficient: float) -> Tensor:
        centred = (centre or _centred)(scores.double(), reference.double())
        if mode == "min":
            return low(centred) if low else centred.min(dim=0).values
        average = mean(centred) if mean else centred.mean(dim=0)
        if mode == "mean":
            return average
        apart = spread(centred) if spread else centred.var(dim=0, correction=0)
        return average + sign * (coefficient if price else 1.0) * apart

    return answer


def _centred(scores: Tensor, reference: Tensor) -> Tensor:
    return scores - (scores @ reference).unsqueeze(1)


def _standardised(scores: Tensor, reference: Tensor) -> Tensor:
    centred = _centred(scores, reference)
    return centred / (centred.square() @ reference).sqrt().clamp(min=1e-12).unsqueeze(1)


def _centred_last(scores: Tensor, reference: Tensor, mode: str, coefficient: float) -> Tensor:
    together = _combined(centre=lambda s, p: s)(scores, reference, mode, coefficient)
    return together - (together * reference.double()).sum()


def _centred_twice(scores: Tensor, reference: Tensor, mode: str, coefficient: float) -> Tensor:
    together = right_reward(scores, reference, mode, coefficient)
    return together - (together * reference.double()).sum()


def _modes_swapped(scores: Tensor, reference: Tensor, mode: str, coefficient: float) -> Tensor:
    return right_reward(scores, reference, {"mean": "min", "min": "mean"}.get(mode, mode), coefficient)


def _over_texts(scores: Tensor, reference: Tensor, mode: str, coefficient: float) -> Tensor:
    """Reduced over the texts, one number a member: of the wrong length unless there are as many members as texts."""
    centred = _centred(scores.double(), reference.double())
    if mode == "min":
        return centred.min(dim=1).values
    spread = centred.var(dim=1, correction=0) if mode == "uwo" else 0.0
    return centred.mean(dim=1) - coefficient * spread


REWARD_MISTAKES: dict[str, Reward] = {
    "The members are not centred: whose zero lies low then decides the minimum. Shift each to mean 0 under the reference.": (
        _combined(centre=lambda s, p: s)
    ),
    "Each member is shifted by its plain mean. Texts are not equally likely: weigh with `reference`.": _combined(
        centre=lambda s, p: s - s.mean(dim=1, keepdim=True)
    ),
    "The scores are put together first and shifted afterwards. Shift each member by itself, first.": _centred_last,
    "The result is shifted once more. Only the members are.": _centred_twice,
    "Each text is shifted by its mean over the members. Shift each member by its mean over the texts.": _combined(
        centre=lambda s, p: s - s.mean(dim=0)
    ),
    "The members are divided by their standard deviation as well. Shift them only.": _combined(
        centre=_standardised
    ),
    "The reference mean is added. Subtract it.": _combined(centre=lambda s, p: s + (s @ p).unsqueeze(1)),
    "The variance divides by members - 1. Divide by the number of members: `correction=0`.": _combined(
        spread=lambda c: c.var(dim=0) if len(c) > 1 else c.var(dim=0, correction=0)
    ),
    "This takes the standard deviation. The variance is its square.": _combined(
        spread=lambda c: c.std(dim=0, correction=0)
    ),
    "The variance is added, which pays for disagreement. Subtract it.": _combined(sign=1.0),
    '"min" is the lowest member for each text. This is the highest.': _combined(
        low=lambda c: c.max(dim=0).values
    ),
    "The coefficient is not used.": _combined(price=False),
    '"mean" and "min" are swapped.': _modes_swapped,
    "This is the median of the members. The mean is asked for.": _combined(
        mean=lambda c: c.median(dim=0).values
    ),
    '"uwo" subtracts from the mean, not from the minimum.': lambda s, p, m, c: (
        right_reward(s, p, "min", c) - right_reward(s, p, "mean", c) + right_reward(s, p, "uwo", c)
        if m == "uwo"
        else right_reward(s, p, m, c)
    ),
    "The members are summed. Take their mean.": _combined(mean=lambda c: c.sum(dim=0)),
    "This reduces over the texts. Members are in the first dimension: `dim=0`.": _over_texts,
}


def _read(value: object, arguments: tuple) -> Outcome:
    shape = tuple(arguments[1].shape)
    likely = "One reward a text is asked for: the members, the first dimension, are put together."
    return {"the reward": numbers_of(value, shape, "the result", likely)}


def _check(subject: Subject, *calls: tuple) -> None:
    expect_like(subject, right_reward, REWARD_MISTAKES, calls, _read, rtol=1e-4, atol=1e-4)


def _ensemble(
    draw: torch.Generator, members: int, size: int, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    scores = normal(draw, size, dtype=dtype) + normal(draw, members, size, dtype=dtype)
    scores += 2 * normal(draw, members, 1, dtype=dtype)
    return scores, torch.softmax(normal(draw, size, dtype=dtype), 0)


@conservative_reward.case("the three members of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    scores = torch.tensor([[1.0, 2.0, 0.0], [3.0, 2.0, 0.5], [2.0, 2.0, -2.0]])
    reference = torch.tensor([0.5, 0.3, 0.2])
    _check(subject, *((scores, reference, mode, 0.5) for mode in ("mean", "min", "uwo")))


@conservative_reward.case("random ensembles, mean and minimum", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = []
    for members, size, dtype in ((5, 12, torch.float32), (4, 30, torch.float64), (1, 6, torch.float32)):
        scores, reference = _ensemble(draw, members, size, dtype)
        calls += [(scale * scores, reference, mode, 1.0) for mode in ("mean", "min") for scale in (1, 40)]
    _check(subject, *calls)


@conservative_reward.case("the price of disagreement", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = []
    for members, size, coefficient in ((5, 20, 0.5), (3, 9, 2.0), (2, 4, 0.0), (1, 5, 3.0)):
        calls.append((*_ensemble(draw, members, size, torch.float64), "uwo", coefficient))
    _check(subject, *calls)


@conservative_reward.case("a constant added to one member changes nothing", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = []
    for far in (10.0, -40.0):
        scores, reference = _ensemble(draw, 4, 15, torch.float64)
        scores[1] += far
        calls += [(scores, reference, mode, 0.7) for mode in ("mean", "min", "uwo")]
    _check(subject, *calls)
