"""TODO 1: the fraction of pairs that are ranked correctly."""

from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.naming import ways
from reward_lab.checks.numbers import expect_numbers
from reward_lab.checks.subject import Subject
from reward_lab.metrics import preference_accuracy as right_accuracy

preference_accuracy = Exercise(
    "preference_accuracy",
    first_step="Work the four pairs of the example by hand, and say for each why it counts or doesn't.",
    withholds=("reward_lab.statistics.noise.expected_scores",),
)

Accuracy = Callable[[Tensor, Tensor], float]


def _above(margin: float) -> Accuracy:
    return lambda p, r: (p - r > margin).double().mean().item()


ACCURACY_MISTAKES: dict[str, Accuracy | list[Accuracy]] = {
    "This counts a tie as correct: compare with `>`, not `>=`.": lambda p, r: (p >= r).double().mean().item(),
    "This counts half of each tie. A tie is not a correct ranking, so it adds nothing.": lambda p, r: (
        ((p > r).double() + 0.5 * (p == r)).mean().item()
    ),
    "The comparison is the wrong way round: the preferred reward should be the higher one.": lambda p, r: (
        (p < r).double().mean().item()
    ),
    "This is the number of correct pairs. Divide it by the number of pairs.": lambda p, r: (
        (p > r).sum().item()
    ),
    "This is a percentage. Return the fraction, between 0 and 1.": lambda p, r: (
        100 * (p > r).double().mean().item()
    ),
    "This is the error rate. The accuracy is 1 minus it.": lambda p, r: (p <= r).double().mean().item(),
    "This subtracts the wrong pairs from the right ones. Count only the right ones.": lambda p, r: (
        torch.sign(p - r).double().mean().item()
    ),
    "This compares the two averages. Compare pair by pair, then average.": lambda p, r: float(
        p.mean() > r.mean()
    ),
    "This squashes the rewards before it compares them, so close ones become equal. Compare the rewards "
    "themselves.": lambda p, r: (torch.sigmoid(p - r) > 0.5).double().mean().item(),
    "This rounds the rewards to whole numbers before it compares them.": lambda p, r: (
        (p.round() > r.round()).double().mean().item()
    ),
    "This asks for a margin. Any difference above 0 is a correct ranking.": [
        _above(margin) for margin in (1e-3, 1e-5, 1e-6, 1e-8, 1e-10, 1e-12)
    ],
    "The rewards were cut to float32 before they were compared, so close ones became equal. Compare them as they are.": (
        lambda p, r: (p.float() > r.float()).double().mean().item()
    ),
    "This counts the pairs that are not ties.": lambda p, r: (p != r).double().mean().item(),
    "This leaves ties out of the count of pairs. Divide by the number of all pairs.": lambda p, r: (
        (p > r).sum().item() / max((p != r).sum().item(), 1)
    ),
    "This is the mean probability of the preferences. Count the pairs that are ranked correctly.": lambda p, r: (
        torch.sigmoid(p.double() - r.double()).mean().item()
    ),
    "This is the mean margin. Count the pairs whose margin is above 0.": lambda p, r: (
        (p - r).double().mean().item()
    ),
    "This is always 1: every reward is compared with itself.": lambda p, r: 1.0,
    "This is always 0.": lambda p, r: 0.0,
}


def _check_accuracy(subject: Subject, *pairs: tuple[Tensor, Tensor]) -> None:
    expect_numbers(
        [subject.call(*pair).value for pair in pairs],
        [right_accuracy(*pair) for pair in pairs],
        ((said, [mistake(*pair) for pair in pairs]) for said, mistake in ways(ACCURACY_MISTAKES)),
    )


@preference_accuracy.case("the four pairs of the lesson, both ways round", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    preferred, rejected = torch.tensor([3.0, 1.5, 4.0, 2.0]), torch.tensor([1.0, 2.0, 0.5, 1.8])
    _check_accuracy(subject, (preferred, rejected), (rejected, preferred))


@preference_accuracy.case("random rewards, in float32 and float64", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    pairs = []
    for n, dtype in ((501, torch.float64), (37, torch.float32), (1, torch.float32)):
        rejected, preferred = torch.randn(2, n, generator=draw, dtype=dtype) * 3
        pairs.append((preferred + 2, rejected))  # the tilt keeps the accuracy away from one half
    _check_accuracy(subject, *pairs)


@preference_accuracy.case("ties are not correct rankings", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    preferred, rejected = torch.randint(-2, 3, (2, 60), generator=draw).float()
    # Whatever was drawn: at least seven ties, and more right pairs than wrong ones.
    preferred[:7], rejected[:7] = 1.0, 1.0
    preferred[7:20], rejected[7:20] = 2.0, -1.0
    _check_accuracy(subject, (preferred, rejected), (preferred, preferred.clone()))


@preference_accuracy.case("close calls and large rewards", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    tiny = torch.randn(41, generator=draw) * 1e-9  # too small for a sigmoid in float32
    small = (torch.rand(41, generator=draw) - 0.5) * 1e-6
    large = torch.randn(41, generator=draw) * 1e6
    nearby = large + torch.randint(-1, 2, (41,), generator=draw)
    below_half = torch.rand(41, generator=draw) - 0.5
    zeros = torch.zeros(41)
    minute = torch.randn(41, generator=draw) * 1e-30
    exact = large.double() + torch.rand(41, generator=draw, dtype=torch.float64) * 1e-3
    _check_accuracy(
        subject,
        (tiny, zeros),
        (small, zeros),
        (below_half, zeros),
        (large, nearby),
        (minute, zeros),
        (exact, large.double() + 0.4e-3),  # float32 takes these for equal
    )
