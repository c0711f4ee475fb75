"""What the exercises of lesson NN must do."""

from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.numbers import expect_numbers
from reward_lab.checks.scoring import LessonScore
from reward_lab.checks.subject import Subject

from .experiments import win_rate as right_rate

__all__ = ["win_rate"]

win_rate = Exercise(
    "win_rate",
    first_step="Work the example by hand, and say for each pair why it counts or does not.",
)

Rate = Callable[[Tensor, Tensor], float]

# A sentence for the student -> the answer that makes this mistake. It is named where it explains every call of a case.
MISTAKES: dict[str, Rate] = {
    "This counts a tie as lost. It is half a win.": lambda a, b: (a > b).double().mean().item(),
    "This counts a tie as won. It is half a win.": lambda a, b: (a >= b).double().mean().item(),
    "This leaves ties out. Each is half a win, and counts as one comparison.": (
        lambda a, b: (a > b).sum().item() / max(1, (a != b).sum().item())
    ),
    "This is the win rate of the second model.": lambda a, b: right_rate(b, a),
    "This is a number of wins. Divide by the number of comparisons.": lambda a, b: len(a) * right_rate(a, b),
    "This is in per cent. Return a share between 0 and 1.": lambda a, b: 100 * right_rate(a, b),
}


def _check(subject: Subject, *calls: tuple[Tensor, Tensor]) -> None:
    """Pass if every call gives the right share."""
    got = [subject.call(first, second).value for first, second in calls]
    wrong = {said: [mistake(*call) for call in calls] for said, mistake in MISTAKES.items()}
    expect_numbers(got, [right_rate(*call) for call in calls], wrong)


@win_rate.case("the numbers of the lesson", points=2)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, (torch.tensor([2.0, 1.0, 0.0, 3.0]), torch.tensor([1.0, 1.0, 2.0, 0.0])))


@win_rate.case("random scores without a tie", points=3)
def _(subject: Subject, draw: torch.Generator) -> None:
    # Distinct numbers in random order, and an odd number of comparisons: no share is 1/2.
    for size in (31, 7):
        numbers = torch.randperm(2 * size, generator=draw).float()
        _check(subject, (numbers[:size], numbers[size:]))


@win_rate.case("a tie is half a win", points=3)
def _(subject: Subject, draw: torch.Generator) -> None:
    first = torch.randint(0, 4, (24,), generator=draw).double()
    second = torch.randint(0, 4, (24,), generator=draw).double()
    second[:6] = first[:6]
    _check(subject, (first, second))


@win_rate.case("one comparison, and nothing but ties", points=2)
def _(subject: Subject, draw: torch.Generator) -> None:
    tied = torch.randn(5, generator=draw)
    _check(subject, (tied[:1], tied[:1] + 1), (tied[:1] + 1, tied[:1]), (tied, tied.clone()))


# What `check.score()` shows near the lesson's end: every exercise, in the lesson's order.
score = LessonScore(win_rate)
