"""TODO 3: the loss that knows how often labels were flipped."""

import torch
import torch.nn.functional as F
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.subject import Subject
from reward_lab.statistics.noisy_losses import flip_corrected_loss as right_loss

from .margins import LEVELS_OFF, Loss, expect_loss, far_margins, margins, rate, with_zeros

flip_corrected_loss = Exercise(
    "flip_corrected_loss",
    first_step="Write down the probability of the label: it is right and was kept, or wrong and was flipped.",
)


def _mixture(d: Tensor, e: float) -> Tensor:
    return (1 - e) * torch.sigmoid(d) + e * torch.sigmoid(-d)


def _by_exp(d: Tensor, e: float) -> Tensor:
    """-log[(1 - e) + e exp(-d)] taken out of -log sigmoid(d): right on paper."""
    return (F.softplus(-d) - torch.log((1 - e) + e * torch.exp(-d))).mean()


def _by_fraction(d: Tensor, e: float) -> Tensor:
    return -torch.log((1 - e + e * torch.exp(-d)) / (1 + torch.exp(-d))).mean()


def _with_guard(guard: float) -> Loss:
    return lambda d, e: -torch.log(_mixture(d, e) + guard).mean()


CORRECTED_MISTAKES: dict[str, Loss | list[Loss]] = {
    "This averages two logarithms, which is label smoothing. The correction averages the two probabilities, and then "
    "takes one logarithm.": lambda d, e: -((1 - e) * F.logsigmoid(d) + e * F.logsigmoid(-d)).mean(),
    "The two cases are swapped: with probability 1 - flip_rate the label was kept, and then sigmoid(margin) is its "
    "probability.": lambda d, e: right_loss(-d, e),
    "This sums over the pairs. The loss is the mean.": lambda d, e: len(d) * right_loss(d, e),
    "The sign is wrong: a loss is a negative logarithm.": lambda d, e: -right_loss(d, e),
    "This is the Bradley-Terry loss: the flip rate is not used.": lambda d, e: -F.logsigmoid(d).mean(),
    "This is the backward correction, which divides by 1 - 2 flip_rate. The forward correction is asked for: one "
    "logarithm of a mixture.": lambda d, e: (
        -((1 - e) * F.logsigmoid(d) - e * F.logsigmoid(-d)).mean() / (1 - 2 * e)
    ),
    "At flip rate 0 and margin -1,000 the probability is 0 in float32, and its log infinite. Stay with logarithms: "
    "`torch.logaddexp` adds probabilities that are given as logarithms.": (
        lambda d, e: -torch.log(_mixture(d, e)).mean()
    ),
    "The flipped labels are missing: add flip_rate times sigmoid(-margin) inside the logarithm.": (
        lambda d, e: -torch.log((1 - e) * torch.sigmoid(d)).mean()
    ),
    "`exp(-margin)` overflows at margin -1,000. Stay with logarithms: `F.logsigmoid` and `torch.logaddexp`.": _by_exp,
    "`exp(-margin)` overflows at margin -1,000, and infinity over infinity is NaN. Stay with logarithms: "
    "`F.logsigmoid` and `torch.logaddexp`.": _by_fraction,
    LEVELS_OFF: [_with_guard(guard) for guard in (1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12)],
    "A small flip rate was taken for 0, or raised. Take it as it is.": [
        lambda d, e: right_loss(d, e if e > 0.02 else 0.0),
        lambda d, e: right_loss(d, e if e > 0.005 else 0.0),
        lambda d, e: right_loss(d, max(e, 0.02)),
        lambda d, e: right_loss(d, max(e, 0.01)),
    ],
    "The logarithm is missing: this is the mean probability that the label is wrong.": (
        lambda d, e: (1 - _mixture(d, e)).mean()
    ),
    "The average comes too early: take the logarithm for each pair, then the mean.": (
        lambda d, e: -torch.log(_mixture(d, e).mean())
    ),
    "The average comes too early: take the loss of each margin, then the mean.": (
        lambda d, e: right_loss(d.mean(), e)
    ),
}


def _check(subject: Subject, *calls: tuple) -> None:
    expect_loss(subject, "flip_corrected_loss", right_loss, CORRECTED_MISTAKES, *calls)


@flip_corrected_loss.case("the numbers of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, (torch.tensor([2.0, -1.0], requires_grad=True), 0.1))


@flip_corrected_loss.case("random margins, in float32 and float64", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    sizes = ((33, torch.float32), (8, torch.float64), (1, torch.float32))
    drawn = [(margins(draw, n, dtype=dtype), rate(draw)) for n, dtype in sizes]
    rates = [(margins(draw, 9), flip_rate) for flip_rate in (0.001, 0.01, 0.49)]
    _check(subject, *drawn, *rates, (with_zeros(draw, 6), rate(draw)))


@flip_corrected_loss.case("margins of -1,000 and +1,000", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(
        subject, (margins(draw, 9), rate(draw)), (far_margins(draw), rate(draw)), (far_margins(draw), 0.002)
    )


@flip_corrected_loss.case("flip rate 0 is the Bradley-Terry loss, at every margin", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, (margins(draw, 9), rate(draw)), (margins(draw, 21), 0.0), (far_margins(draw), 0.0))
