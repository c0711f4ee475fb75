"""TODO 2: the Bradley-Terry loss with smoothed labels."""

import torch
import torch.nn.functional as F
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.subject import Subject
from reward_lab.statistics.noisy_losses import smoothed_bt_loss as right_loss

from .margins import LEVELS_OFF, Loss, expect_loss, far_margins, margins, rate, with_zeros

smoothed_bt_loss = Exercise(
    "smoothed_bt_loss",
    first_step="Work the first pair of the example by hand, and note which two losses you average.",
)


def _with_guard(guard: float) -> Loss:
    def loss(d: Tensor, s: float) -> Tensor:
        kept, flipped = torch.log(torch.sigmoid(d) + guard), torch.log(torch.sigmoid(-d) + guard)
        return -((1 - s) * kept + s * flipped).mean()

    return loss


SMOOTHED_MISTAKES: dict[str, Loss | list[Loss]] = {
    "This smooths by half as much. Here the target of the preferred text is 1 - smoothing, not 1 - smoothing / 2.": (
        lambda d, s: right_loss(d, s / 2)
    ),
    "The two targets are swapped: the preferred text, whose margin counts as positive, gets 1 - smoothing.": (
        lambda d, s: right_loss(-d, s)
    ),
    "This sums over the pairs. The loss is the mean.": lambda d, s: len(d) * right_loss(d, s),
    "The sign is wrong: a loss is a negative logarithm.": lambda d, s: -right_loss(d, s),
    "This is the Bradley-Terry loss: the smoothing is not used.": lambda d, s: -F.logsigmoid(d).mean(),
    "This averages the probabilities inside the logarithm, which is the flip-corrected loss. Smoothing averages the "
    "two logarithms.": lambda d, s: -torch.log((1 - s) * torch.sigmoid(d) + s * torch.sigmoid(-d)).mean(),
    "The second half is missing: add smoothing times `-F.logsigmoid(-margin)`.": (
        lambda d, s: -((1 - s) * F.logsigmoid(d)).mean()
    ),
    "The first half keeps weight 1. The weights are 1 - smoothing and smoothing.": (
        lambda d, s: -(F.logsigmoid(d) + s * F.logsigmoid(-d)).mean()
    ),
    "The second half is subtracted. Both halves are losses, so add them.": (
        lambda d, s: -((1 - s) * F.logsigmoid(d) - s * F.logsigmoid(-d)).mean()
    ),
    "Sigmoid first and log second breaks down at a margin of 1,000: the sigmoid is 0 in float32, its log infinite. "
    "Use `F.logsigmoid`.": (
        lambda d, s: -((1 - s) * torch.log(torch.sigmoid(d)) + s * torch.log(torch.sigmoid(-d))).mean()
    ),
    "Sigmoid first breaks down at a margin of 1,000: 1 - sigmoid is 0 in float32, its log infinite. Use "
    "`F.logsigmoid(-margin)`.": (
        lambda d, s: -((1 - s) * F.logsigmoid(d) + s * torch.log(1 - torch.sigmoid(d))).mean()
    ),
    "`binary_cross_entropy` on sigmoids cuts its logarithms off at -100. Use "
    "`F.binary_cross_entropy_with_logits(margin, target)`.": lambda d, s: F.binary_cross_entropy(
        torch.sigmoid(d), torch.full_like(d, 1 - s)
    ),
    LEVELS_OFF: [_with_guard(guard) for guard in (1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12)],
    "The two halves have equal weight. The weights are 1 - smoothing and smoothing.": lambda d, s: (
        -((F.logsigmoid(d) + F.logsigmoid(-d)) / 2).mean()
    ),
    "The target of the preferred text is 1 - smoothing, not smoothing below 1 in the margin: do not scale the margin.": (
        lambda d, s: -F.logsigmoid((1 - s) * d).mean()
    ),
    "This scales the plain loss. Smoothing adds the loss of the other label.": [
        lambda d, s: -((1 - 2 * s) * F.logsigmoid(d)).mean(),
        lambda d, s: -F.logsigmoid(d).mean() + s,
    ],
    "The average comes too early: take the loss of each margin, then the mean.": (
        lambda d, s: right_loss(d.mean(), s)
    ),
}


def _check(subject: Subject, *calls: tuple) -> None:
    expect_loss(subject, "smoothed_bt_loss", right_loss, SMOOTHED_MISTAKES, *calls)


@smoothed_bt_loss.case("the numbers of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(
        subject,
        (torch.tensor([2.0, -1.0], requires_grad=True), 0.1),
        (torch.tensor([2.1972246], dtype=torch.float64, requires_grad=True), 0.1),
    )


@smoothed_bt_loss.case("random margins, in float32 and float64", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    sizes = ((33, torch.float32), (8, torch.float64), (1, torch.float32))
    drawn = [(margins(draw, n, dtype=dtype), rate(draw)) for n, dtype in sizes]
    _check(
        subject, *drawn, (with_zeros(draw, 6), rate(draw)), (margins(draw, 9), 0.01), (margins(draw, 9), 0.5)
    )


@smoothed_bt_loss.case("smoothing 0 is the Bradley-Terry loss", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, (margins(draw, 21), 0.0), (margins(draw, 21), rate(draw)))


@smoothed_bt_loss.case("margins of -1,000 and +1,000", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, (margins(draw, 9), rate(draw)), (far_margins(draw), rate(draw)), (far_margins(draw), 0.0))
