"""TODO 5: the loss of IPO."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.subject import Subject
from reward_lab.rlhf.dpo import dpo_loss as loss_of_dpo
from reward_lab.rlhf.dpo import ipo_loss as right_ipo

from .margins import (
    BOTH_FELL,
    DETACHED,
    TERMS,
    WON,
    Loss,
    check_loss,
    drawn_pairs,
    example,
    margin,
    reference_mistakes,
)

ipo_loss = Exercise(
    "ipo_loss",
    first_step="Say in words where this loss is 0, and how far the first pair of the example is from there.",
)


def _ipo_of(
    h_of: Callable = margin,
    error: Callable[[Tensor, float], Tensor] = lambda h, tau: (h - 1 / (2 * tau)).square(),
    reduce: Callable[[Tensor], Tensor] = torch.mean,
    cut: bool = True,
) -> Loss:
    """An IPO loss that is right but for its h, its error, its mean, or its detaching."""

    def loss(a, b, c, d, tau):
        if cut:
            c, d = c.detach(), d.detach()
        return reduce(error(h_of(a, b, c, d), tau))

    return loss


IPO_MISTAKES: dict[str, Loss] = {
    **{said: _ipo_of(h) for said, h in TERMS.items()},
    **{said: (lambda *x, cut=cut: right_ipo(*cut(*x[:4]), x[4])) for said, cut in DETACHED.items()},
    **reference_mistakes(_ipo_of(cut=False)),
    "The target is 1 / tau here. It is 1 / (2 tau).": _ipo_of(error=lambda h, t: (h - 1 / t).square()),
    "The target is tau / 2 here. It is 1 / (2 tau).": _ipo_of(error=lambda h, t: (h - t / 2).square()),
    "The target is 2 / tau here. It is 1 / (2 tau).": _ipo_of(error=lambda h, t: (h - 2 / t).square()),
    "tau multiplies the margin. It stands in the target alone.": _ipo_of(
        error=lambda h, t: (t * h - 1 / (2 * t)).square()
    ),
    "The margin is multiplied by tau and held against 1/2. That is the loss times tau squared.": _ipo_of(
        error=lambda h, t: (t * h - 0.5).square()
    ),
    "The target is added. Subtract it.": _ipo_of(error=lambda h, t: (h + 1 / (2 * t)).square()),
    "Margins beyond the target cost nothing here, as in a hinge loss. IPO pulls them back.": _ipo_of(
        error=lambda h, t: F.relu(1 / (2 * t) - h).square()
    ),
    "This is the absolute error. It is squared.": _ipo_of(error=lambda h, t: (h - 1 / (2 * t)).abs()),
    "This sums over the batch. The loss is the mean.": _ipo_of(reduce=torch.sum),
    "The average comes too early: square the error of each pair, then take the mean.": _ipo_of(
        h_of=lambda *x: margin(*x).mean()
    ),
    "This is half of what it should be.": _ipo_of(error=lambda h, t: (h - 1 / (2 * t)).square() / 2),
    "Log-probabilities of shape (batch, 1) and (batch,) were broadcast: every policy's text met every reference's.": (
        _ipo_of(h_of=lambda a, b, c, d: (a - b).unsqueeze(1) - (c - d))
    ),
    "This is the loss of DPO.": lambda a, b, c, d, tau: loss_of_dpo(a, b, c, d, tau),
    "This is the root of the mean squared error.": _ipo_of(reduce=lambda x: x.mean().sqrt()),
}


@ipo_loss.case("the two pairs of the lesson", points=0.25)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = [(*example(*rows), 0.4) for rows in ((WON,), (BOTH_FELL,), (WON, BOTH_FELL))]
    check_loss(subject, right_ipo, IPO_MISTAKES, *calls)


@ipo_loss.case("random pairs, below the target and far beyond it", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = [
        (*drawn_pairs(draw, 20), 0.5),
        (*drawn_pairs(draw, 9, torch.float64, spread=30.0, long=True), 0.1),
        (*drawn_pairs(draw, 1), 2.0),
    ]
    check_loss(subject, right_ipo, IPO_MISTAKES, *calls)


@ipo_loss.case("the gradient goes through the policy alone", points=0.25)
def _(subject: Subject, draw: torch.Generator) -> None:
    check_loss(subject, right_ipo, IPO_MISTAKES, (*(x.requires_grad_() for x in drawn_pairs(draw, 8)), 0.3))
