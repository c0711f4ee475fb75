"""TODO 5: PPO's clipped objective."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.judging import Outcome, expect_like, loss_and_gradients, normal
from reward_lab.checks.subject import Subject
from reward_lab.rlhf.ppo import ppo_loss as right_loss

ppo_loss = Exercise(
    "ppo_loss",
    first_step="Work the four words of the example by hand: the ratio, both products, the smaller of the two.",
)

Loss = Callable[[Tensor, Tensor, Tensor, float], Tensor]


def _with(
    ratio: Callable | None = None,
    bounds: Callable | None = None,
    choose: Callable = torch.minimum,
    cut: bool = True,
) -> Loss:
    """A PPO loss that is right but for its ratio, its bounds, its choice of branch or its detaching."""

    def loss(new, old, advantages, clip):
        if cut:
            old, advantages = old.detach(), advantages.detach()
        r = (ratio or (lambda n, o: torch.exp(n - o)))(new, old)
        low, high = (bounds or (lambda c: (1 - c, 1 + c)))(clip)
        return -choose(r * advantages, r.clamp(low, high) * advantages).mean()

    return loss


def _summed(new, old, advantages, clip):
    return right_loss(new, old, advantages, clip) * new.numel()


def _smaller_ratio(plain: Tensor, clipped: Tensor) -> Tensor:
    """min(ratio, clipped ratio) times A, from the two products: the larger product where A is negative."""
    return torch.where(plain < 0, torch.maximum(plain, clipped), torch.minimum(plain, clipped))


def _of_means(new, old, advantages, clip):
    ratio, a = (new - old.detach()).exp(), advantages.detach()
    return -torch.minimum((ratio * a).mean(), (ratio.clamp(1 - clip, 1 + clip) * a).mean())


def _clipped_log_ratio(new, old, advantages, clip):
    log_ratio, a = new - old.detach(), advantages.detach()
    return -torch.minimum(log_ratio.exp() * a, log_ratio.clamp(-clip, clip).exp() * a).mean()


def _clipped_log_ratio_alone(new, old, advantages, clip):
    return -((new - old.detach()).clamp(-clip, clip).exp() * advantages.detach()).mean()


def _large_terms_cut_off(got: Sequence[Outcome], want: Sequence[Outcome]) -> str | None:
    """A dual clip, or a clamp on ratio or log-ratio: right while ratios are moderate."""
    loss = "loss"
    ordinary = [torch.allclose(x[loss], y[loss], rtol=1e-3) for x, y in zip(got, want, strict=True)]
    large = [y[loss].abs() > 50 for y in want]
    lower = all(bool(x[loss].isfinite()) for x in got)
    if lower and any(large) and any(ordinary) and all(o or g for o, g in zip(ordinary, large, strict=True)):
        return "Large ratios are cut off, as by a dual clip or a clamp. A bad word that has become likelier counts in full."
    return None


PPO_MISTAKES: dict[str, Loss] = {
    "The sign is wrong: a loss is minimised, so it is minus the objective.": lambda n, o, a, c: (
        -right_loss(n, o, a, c)
    ),
    "This sums over the elements. The loss is the mean.": _summed,
    "This takes the larger of the two. The objective is the smaller one, before the minus.": _with(
        choose=torch.maximum
    ),
    "Nothing is clipped.": _with(choose=lambda plain, clipped: plain),
    "This uses the clipped ratio alone. Take the smaller of the clipped and the plain term: a ratio that has gone the "
    "wrong way must still be pulled back.": _with(choose=lambda plain, clipped: clipped),
    "The ratio is upside down: new over old.": _with(ratio=lambda n, o: torch.exp(o - n)),
    "The exp is missing: this is the difference of log-probabilities, not the ratio.": _with(
        ratio=lambda n, o: n - o
    ),
    "Probabilities of -200 in the log are 0 in float32, and 0 / 0 is NaN. Take the exp of the difference.": _with(
        ratio=lambda n, o: torch.exp(n) / torch.exp(o)
    ),
    "The ratio is one of log-probabilities. Take the exp of their difference.": _with(
        ratio=lambda n, o: n / o
    ),
    "The bounds are 1 - clip and 1 + clip, not -clip and clip.": _with(bounds=lambda c: (-c, c)),
    "The ratio is clipped from above only.": _with(bounds=lambda c: (-torch.inf, 1 + c)),
    "The ratio is clipped from below only.": _with(bounds=lambda c: (1 - c, torch.inf)),
    "The smaller ratio is taken before multiplying by the advantage. Multiply first: a negative advantage turns the order "
    "round.": _with(choose=_smaller_ratio),
    "This is the smaller of two means. Take the smaller term of each element first, then the mean.": _of_means,
    "The log-ratio is clipped to -clip and clip. Clip the ratio, to 1 - clip and 1 + clip.": _clipped_log_ratio,
    "The log-ratio is clipped to -clip and clip, and the plain term is missing.": _clipped_log_ratio_alone,
    "The advantages lost their sign. A bad word must become less likely.": lambda n, o, a, c: right_loss(
        n, o, a.abs(), c
    ),
    "Negative advantages are cut off at 0. A bad word must become less likely.": lambda n, o, a, c: (
        right_loss(n, o, a.clamp(min=0), c)
    ),
    "The clip is 0.2 whatever was passed in. Use `clip`.": lambda n, o, a, c: right_loss(n, o, a, 0.2),
    "The lower bound is 1 - clip, not 1 / (1 + clip).": _with(bounds=lambda c: (1 / (1 + c), 1 + c)),
    "The advantages are normalised. Leave that to the caller.": lambda n, o, a, c: right_loss(
        n, o, (a - a.mean()) / (a.std() + 1e-8), c
    ),
    "The advantages are normalised, by the population's standard deviation. Leave that to the caller.": (
        lambda n, o, a, c: right_loss(n, o, (a - a.mean()) / (a.std(unbiased=False) + 1e-8), c)
    ),
    "Gradients flow into `old_log_probs` or `advantages`. They are numbers here: detach them.": _with(
        cut=False
    ),
    "Gradients flow into `old_log_probs`. They are numbers here: detach them.": lambda n, o, a, c: _with(
        cut=False
    )(n, o, a.detach(), c),
    "Gradients flow into `advantages`. They are numbers here: detach them.": lambda n, o, a, c: _with(
        cut=False
    )(n, o.detach(), a, c),
}


def _check(subject: Subject, *calls: tuple) -> None:
    read = loss_and_gradients(("new_log_probs", "old_log_probs", "advantages", "clip"))
    expect_like(subject, right_loss, PPO_MISTAKES, calls, read, "differentiate", explain=_large_terms_cut_off)


def _call(draw: torch.Generator, *shape: int, clip: float = 0.2, dtype: torch.dtype = torch.float32) -> tuple:
    """A batch in which every case occurs: ratios within and beyond both bounds, advantages of both signs."""
    old = -3 + normal(draw, *shape, dtype=dtype)
    new = (old + 0.5 * normal(draw, *shape, dtype=dtype)).requires_grad_()
    return new, old, 0.3 + normal(draw, *shape, dtype=dtype), clip


@ppo_loss.case("the four words of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    new = torch.tensor([1.5, 0.5, 1.5, 0.5]).log().requires_grad_()
    _check(subject, (new, torch.zeros(4), torch.tensor([1.0, -1.0, -1.0, 1.0]), 0.2))


@ppo_loss.case("random batches, with the gradient of every word", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    new, old, advantages, clip = _call(draw, 30)
    _check(
        subject,
        (new, old, 50 * advantages, clip),
        _call(draw, 16, 6),
        _call(draw, 50, clip=0.1),
        _call(draw, 4, 3, 5, clip=0.4, dtype=torch.float64),
    )


@ppo_loss.case("the first step, and texts that are very unlikely", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    new, old, advantages, clip = _call(draw, 8, 6)
    first = (old.clone().requires_grad_(), old, advantages, clip)  # nothing has moved yet: every ratio is 1
    unlikely = ((new.detach() - 200).requires_grad_(), old - 200, advantages, clip)
    # Bad words that became far likelier: these terms have no bound. The exp of 30 is finite, and counts.
    wide = (old + 3 * torch.rand(old.shape, generator=draw)).requires_grad_()
    wider = (old - 60 + 30).requires_grad_()
    _check(
        subject,
        first,
        unlikely,
        (wide, old, -40 * (0.5 + advantages.abs()), clip),
        (wider, old - 60, -0.5 - advantages.abs(), clip),
    )


@ppo_loss.case("the gradient goes through the new log-probabilities alone", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    new, old, advantages, clip = _call(draw, 20, 4)
    _check(subject, (new, old.requires_grad_(), advantages.requires_grad_(), clip))
