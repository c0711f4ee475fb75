"""TODO 2: the loss whose gradient is the policy gradient."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.judging import GRADIENT, Outcome, expect_like, loss_and_gradients, normal
from reward_lab.checks.subject import Subject
from reward_lab.rlhf.ppo import policy_gradient_loss as right_loss

policy_gradient_loss = Exercise(
    "policy_gradient_loss",
    first_step="Subtract the baseline from the rewards: one number a text says how much better "
    "than expected it was.",
)

_ADVANTAGE = (
    "Rewards and baseline are numbers to this loss: detach them, so that only `log_probs` gets a gradient."
)

GRADIENT_MISTAKES: dict[str, Callable[[Tensor, Tensor, Tensor | float], Tensor]] = {
    "The sign is wrong: minimising this makes good texts less likely. Put a minus in front.": lambda lp, r, b: (
        ((r - b).detach() * lp).mean()
    ),
    "This sums over the batch. The loss is the mean.": lambda lp, r, b: -((r - b).detach() * lp).sum(),
    "The baseline is added. Subtract it.": lambda lp, r, b: -((r + b).detach() * lp).mean(),
    "The baseline is not used.": lambda lp, r, b: -(r.detach() * lp).mean(),
    "Gradients flow into the rewards and the baseline. " + _ADVANTAGE: lambda lp, r, b: (
        -((r - b) * lp).mean()
    ),
    "Gradients flow into the rewards. " + _ADVANTAGE: lambda lp, r, b: -((r - _cut(b)) * lp).mean(),
    "Gradients flow into the baseline. " + _ADVANTAGE: lambda lp, r, b: -((r.detach() - b) * lp).mean(),
    "This is the product of two averages: the mean came too early, or (batch, 1) and (batch,) were broadcast, which "
    "pairs every text with every reward. Multiply text by text, then take the mean.": lambda lp, r, b: (
        -(r - b).detach().mean() * lp.mean()
    ),
    "This weighs probabilities. The formula has log-probabilities: leave out the exp.": lambda lp, r, b: (
        -((r - b).detach() * lp.exp()).mean()
    ),
    "Log of exp: the probability of a long text is 0 in float32. Use the log-probabilities as they are.": lambda lp, r, b: (
        -((r - b).detach() * lp.exp().log()).mean()
    ),
    "The advantages are normalised. Use the plain difference.": lambda lp, r, b: (
        -(_standardised(r - b).detach() * lp).mean()
    ),
    "The advantages are divided by their standard deviation. Use the plain difference.": lambda lp, r, b: (
        -(((r - b) / (r - b).std()).detach() * lp).mean()
    ),
    "This uses the batch's own mean as the baseline. Use the one that is passed in.": lambda lp, r, b: (
        -((r - r.mean()).detach() * lp).mean()
    ),
    "The advantages lost their sign. A text worse than the baseline must become less likely.": lambda lp, r, b: (
        -((r - b).abs().detach() * lp).mean()
    ),
}


def _cut(baseline: Tensor | float) -> Tensor | float:
    return baseline.detach() if isinstance(baseline, Tensor) else baseline


def _standardised(advantages: Tensor) -> Tensor:
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8)


def _some_texts_are_cut_off(got: Sequence[Outcome], want: Sequence[Outcome]) -> str | None:
    part = f"{GRADIENT}`log_probs`"
    cut = [(x[part] == 0) & (y[part] != 0) for x, y in zip(got, want, strict=True)]
    rest = all(
        torch.allclose(x[part][~c], y[part][~c], rtol=1e-3) for x, y, c in zip(got, want, cut, strict=True)
    )
    if rest and any(c.any() for c in cut) and not all(c.all() for c in cut):
        return "No gradient reaches the unlikely texts: a clamp cuts them off. Use the log-probabilities as they are."
    return None


def _check(subject: Subject, *calls: tuple) -> None:
    read = loss_and_gradients(("log_probs", "rewards", "baseline"))
    expect_like(
        subject, right_loss, GRADIENT_MISTAKES, calls, read, "differentiate", explain=_some_texts_are_cut_off
    )


def _log_probs(draw: torch.Generator, n: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return (-8 + 2 * normal(draw, n, dtype=dtype)).requires_grad_()


@policy_gradient_loss.case("the three texts of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    log_probs = torch.tensor([-2.0, -1.0, -3.0]).requires_grad_()
    _check(subject, (log_probs, torch.tensor([3.0, 1.0, 2.0]), 1.5))


@policy_gradient_loss.case("random batches, with every kind of baseline", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = []
    for n, dtype in ((40, torch.float32), (7, torch.float64)):
        for baseline in (0.7, torch.tensor(-1.3, dtype=dtype), normal(draw, n, dtype=dtype)):
            calls.append((_log_probs(draw, n, dtype), 1 + 3 * normal(draw, n, dtype=dtype), baseline))
    _check(subject, *calls)


@policy_gradient_loss.case("the gradient goes through the log-probabilities alone", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    rewards = (1 + 3 * normal(draw, 12)).requires_grad_()
    baseline = normal(draw, 12).requires_grad_()
    _check(subject, (_log_probs(draw, 12), rewards, baseline))


@policy_gradient_loss.case("a batch of one, and rewards far from zero", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    far = 300 + normal(draw, 30)
    unlikely = (-400 + 120 * normal(draw, 20)).clamp(max=-30).requires_grad_()  # of texts of many words
    _check(
        subject,
        (unlikely, 1 + 3 * normal(draw, 20), 0.7),
        (_log_probs(draw, 1), normal(draw, 1) + 2, 0.5),
        (_log_probs(draw, 30), far, 300.0),
        (_log_probs(draw, 25), 60 * normal(draw, 25), 0.5),
        (_log_probs(draw, 30), -far, torch.tensor(-300.5)),
    )
