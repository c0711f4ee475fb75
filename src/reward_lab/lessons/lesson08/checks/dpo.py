"""TODO 3: the loss of DPO."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.judging import normal
from reward_lab.checks.subject import Subject
from reward_lab.rlhf.dpo import dpo_loss as right_dpo

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

dpo_loss = Exercise(
    "dpo_loss",
    first_step="Compute the margin of the first pair of the example by hand: two log-ratios, one minus the other.",
)


def _dpo_of(
    h_of: Callable = margin,
    score: Callable[[Tensor], Tensor] = F.logsigmoid,
    reduce: Callable[[Tensor], Tensor] = torch.mean,
    cut: bool = True,
    mixed: Callable[[Tensor, Tensor, float], Tensor] | None = None,
) -> Loss:
    """A DPO loss that is right but for its h, its log-sigmoid, its mean, its detaching, or its smoothing.

    `mixed` gives the loss of each pair from log sigmoid(beta h), log sigmoid(-beta h) and the smoothing.
    """

    def loss(a, b, c, d, beta, smoothing=0.0):
        if cut:
            c, d = c.detach(), d.detach()
        h = beta * h_of(a, b, c, d)
        won, lost = score(h), score(-h)
        return reduce(mixed(won, lost, smoothing) if mixed else -(1 - smoothing) * won - smoothing * lost)

    return loss


def _dpo_detached(cut: Callable) -> Loss:
    return lambda a, b, c, d, beta, smoothing=0.0: right_dpo(*cut(a, b, c, d), beta, smoothing)


DPO_MISTAKES: dict[str, Loss | list[Loss]] = {
    **{said: _dpo_of(h) for said, h in TERMS.items()},
    **{said: _dpo_detached(cut) for said, cut in DETACHED.items()},
    **reference_mistakes(_dpo_of(cut=False)),
    "beta is missing.": lambda a, b, c, d, beta, s=0.0: right_dpo(a, b, c, d, 1.0, s),
    "The margin is divided by beta. Multiply.": lambda a, b, c, d, beta, s=0.0: right_dpo(
        a, b, c, d, 1 / beta, s
    ),
    "beta multiplies the policy's difference alone. It multiplies the whole margin.": lambda a, b, c, d, beta, s=0.0: (
        right_dpo(beta * a, beta * b, c, d, 1.0, s)
    ),
    "This sums over the batch. The loss is the mean.": _dpo_of(reduce=torch.sum),
    "The sign is wrong: a loss is minimised, so it is minus the log-sigmoid.": _dpo_of(
        mixed=lambda won, lost, s: (1 - s) * won + s * lost
    ),
    "The log is missing: this is the mean probability of a wrong judgement.": _dpo_of(
        mixed=lambda won, lost, s: (1 - s) * lost.exp() + s * won.exp()
    ),
    "Smoothing is not used.": _dpo_of(mixed=lambda won, lost, s: -won),
    "Smoothing is on the wrong side: 1 - smoothing goes with log sigmoid(beta h).": _dpo_of(
        mixed=lambda won, lost, s: -s * won - (1 - s) * lost
    ),
    "The smoothed term is subtracted and divided by 1 - 2 smoothing: that is robust DPO. Here both terms are added.": (
        _dpo_of(mixed=lambda won, lost, s: (-(1 - s) * won + s * lost) / (1 - 2 * s))
    ),
    "The smoothed term is subtracted. Both terms are losses: add them.": _dpo_of(
        mixed=lambda won, lost, s: -(1 - s) * won + s * lost
    ),
    "Smoothing is spread over both sides: half of it on each. All of it goes with log sigmoid(-beta h).": _dpo_of(
        mixed=lambda won, lost, s: -(1 - s / 2) * won - s / 2 * lost
    ),
    "The first term keeps its full weight. It is multiplied by 1 - smoothing.": _dpo_of(
        mixed=lambda won, lost, s: -won - s * lost
    ),
    "Sigmoid first and log second breaks down at a margin of -200: in float32 the sigmoid is 0 there. "
    "Use `F.logsigmoid`.": _dpo_of(score=lambda h: torch.sigmoid(h).log()),
    "A small number inside the log hides the overflow, but the loss levels off and its gradient vanishes. "
    "Use `F.logsigmoid`.": [
        _dpo_of(score=lambda h, e=e: (torch.sigmoid(h) + e).log()) for e in (1e-6, 1e-7, 1e-8, 1e-10, 1e-12)
    ],
    "The average comes too early: take the log-sigmoid of each margin, then the mean.": _dpo_of(
        h_of=lambda a, b, c, d: margin(a, b, c, d).mean()
    ),
    "Log-probabilities of shape (batch, 1) and (batch,) were broadcast: every policy's text met every reference's.": (
        _dpo_of(h_of=lambda a, b, c, d: (a - b).unsqueeze(1) - (c - d))
    ),
    "This is a hinge loss. The exercise asks for -log sigmoid.": _dpo_of(
        score=lambda h: -F.relu(1 - h), mixed=lambda won, lost, s: -(1 - s) * won - s * lost
    ),
}


@dpo_loss.case("the two pairs of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = [(*example(*rows), 0.4) for rows in ((WON,), (BOTH_FELL,), (WON, BOTH_FELL))]
    check_loss(subject, right_dpo, DPO_MISTAKES, *calls)


@dpo_loss.case("random pairs, short texts and long ones, with and without smoothing", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = [
        (*drawn_pairs(draw, 12), 0.5),
        (*drawn_pairs(draw, 30, long=True), 0.1, 0.1),
        (*drawn_pairs(draw, 7, torch.float64), 0.8, 0.3),
        (*drawn_pairs(draw, 1), 0.3, 0.0),
    ]
    check_loss(subject, right_dpo, DPO_MISTAKES, *calls)


@dpo_loss.case("margins of -200 and +200", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = [(*drawn_pairs(draw, 9), 0.5)]
    for far_off, smoothing in ((-200.0, 0.0), (200.0, 0.2), (-200.0, 0.2)):
        a, b, c, d = (x.detach() for x in drawn_pairs(draw, 6))
        far = (b + (c - d) + far_off / 0.5 + normal(draw, 6)).requires_grad_()
        calls.append((far, b.requires_grad_(), c, d, 0.5, smoothing))
    check_loss(subject, right_dpo, DPO_MISTAKES, *calls)


@dpo_loss.case("the gradient goes through the policy alone", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = [
        (*(x.requires_grad_() for x in drawn_pairs(draw, n)), beta, 0.1) for n, beta in ((10, 0.5), (5, 0.2))
    ]
    check_loss(subject, right_dpo, DPO_MISTAKES, *calls)
