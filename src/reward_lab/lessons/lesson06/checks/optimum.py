"""TODO 1: the policy that the KL-regularised objective is greatest at."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.judging import Outcome, expect_like, normal, numbers_of
from reward_lab.checks.subject import Subject
from reward_lab.rlhf.ppo import kl_optimal_policy as right_policy

kl_optimal_policy = Exercise(
    "kl_optimal_policy",
    first_step="Work the example by hand; then ask which step of it breaks for a reward of 400, "
    "and avoid that step.",
)

Optimum = Callable[[Tensor, Tensor, float], Tensor]


def _normalised(weights: Tensor) -> Tensor:
    return weights / weights.sum()


def _shifted_by_overall_maximum(reward: Tensor, reference: Tensor, beta: float) -> Tensor:
    return _normalised(reference * ((reward - reward.max()) / beta).exp())


NOT_NORMALISED = "The probabilities do not sum to 1: divide by their sum."
BACK_TO_LIFE = (
    "A small number was added inside the logarithm, or is its lower bound, so texts with reference probability 0 come back "
    "to life. Leave it out: log 0 is -inf, and softmax copes."
)
TOO_LARGE = "exp overflows at 89 in float32 and at 710 in float64, and a clamp changes the answer. Use `torch.softmax`."

OPTIMUM_MISTAKES: dict[str, Optimum] = {
    "This multiplies by beta. The exponent is reward / beta: a small beta lets the reward count for more.": lambda r, q, b: (
        torch.softmax(q.log() + r * b, 0)
    ),
    "beta is not used.": lambda r, q, b: torch.softmax(q.log() + r, 0),
    "The reference is not used: it stands in front of the exp.": lambda r, q, b: torch.softmax(r / b, 0),
    "The sign is wrong: a higher reward must get more probability.": lambda r, q, b: torch.softmax(
        q.log() - r / b, 0
    ),
    "The reference is added to the exponent as it is. Multiply by it, or add its logarithm.": lambda r, q, b: (
        torch.softmax(q + r / b, 0)
    ),
    "The logarithm of the reference is divided by beta as well.": lambda r, q, b: torch.softmax(
        (q.log() + r) / b, 0
    ),
    "These are log-probabilities. Return probabilities.": lambda r, q, b: torch.log_softmax(
        q.log() + r / b, 0
    ),
    "exp(reward / beta) overflows for rewards in the hundreds. Stay in logarithms, and use `torch.softmax` or "
    "`torch.logsumexp`.": lambda r, q, b: _normalised(q * (r / b).exp()),
    "The highest reward is taken off first, but it may stand where the reference is 0: everything else then becomes 0 / 0. "
    "Take the logarithm of the reference along, and use `torch.softmax`.": _shifted_by_overall_maximum,
    BACK_TO_LIFE: lambda r, q, b: torch.softmax((q + 1e-8).log() + r / b, 0),
    NOT_NORMALISED: lambda r, q, b: q * (r / b).exp(),
    "The sum is missing, and exp overflows for high rewards: take the softmax of the exponents.": lambda r, q, b: (
        (q.log() + r / b).exp()
    ),
    "This is softmax of the reward, mixed with the reference. The two have to be multiplied.": lambda r, q, b: (
        (torch.softmax(r / b, 0) + q) / 2
    ),
    "All of the probability is on the best text. The optimum spreads it.": lambda r, q, b: torch.eye(
        len(r), dtype=r.dtype, device=r.device
    )[torch.where(q > 0, r, -torch.inf).argmax()],
}


def _read(value: object, arguments: tuple) -> Outcome:
    return {"the probability": numbers_of(value, tuple(arguments[0].shape), "the result")}


def _check(subject: Subject, *calls: tuple) -> None:
    expect_like(
        subject,
        right_policy,
        OPTIMUM_MISTAKES,
        calls,
        _read,
        explain=lambda got, want: _explain(calls, got, want),
    )


def _explain(calls: Sequence[tuple], got: Sequence[Outcome], want: Sequence[Outcome]) -> str | None:
    """What the numbers themselves show: a sum that is missing, a floor under the reference, an exp that overflowed."""
    part = "the probability"
    rows = [
        (reference.double() > 1e-20, reward.abs().max() / beta, x[part], y[part])
        for (reward, reference, beta), x, y in zip(calls, got, want, strict=True)
    ]
    if all(_same(_normalised(x), y) for _, _, x, y in rows):
        return NOT_NORMALISED
    kept = [(x * there, y * there) for there, _, x, y in rows if bool(x.isfinite().all())]
    if len(kept) == len(rows) and all(
        x.sum() < 1e-4 or _same(_normalised(x), _normalised(y)) for x, y in kept
    ):
        return BACK_TO_LIFE
    if all(_same(x, y) for _, level, x, y in rows if level < 80) and any(
        level < 80 for _, level, _, _ in rows
    ):
        return TOO_LARGE
    return None


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-3, atol=1e-5)


def _reference(draw: torch.Generator, n: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.softmax(normal(draw, n, dtype=dtype), 0)


@kl_optimal_policy.case("the three texts of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, (torch.tensor([0.0, 1.0, 2.0]), torch.tensor([0.5, 0.3, 0.2]), 1.0))


@kl_optimal_policy.case("random rewards, several betas", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(
        subject,
        *(
            (normal(draw, n, dtype=dtype), _reference(draw, n, dtype), beta)
            for n, dtype, beta in ((6, torch.float32, 0.5), (20, torch.float64, 2.0), (1, torch.float32, 0.7))
        ),
    )


@kl_optimal_policy.case("rewards in the hundreds", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = [(normal(draw, 5), _reference(draw, 5), 0.8)]  # a tame one, so that mistakes are told apart
    for level in (400.0, -400.0):  # close to each other, far from zero
        calls.append((level + normal(draw, 12), _reference(draw, 12), 0.8))
    calls.append((300 * normal(draw, 12), _reference(draw, 12), 1.5))
    for level in (
        900.0,
        -900.0,
    ):  # e^1800 is infinite in float64 too; its own digits would be lost in float32
        reward = level + normal(draw, 12, dtype=torch.float64)
        calls.append((reward, _reference(draw, 12, torch.float64), 0.5))
    _check(subject, *calls)


@kl_optimal_policy.case("texts that the reference never writes", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = [(normal(draw, 5), _reference(draw, 5), 0.8)]
    for high in (
        -12.0,
        42.0,
    ):  # in the second, all that is within reach weighs e^100 times less than what is not
        reward, reference = normal(draw, 9) - 20, _reference(draw, 9)
        reward[:3], reference[:3] = high, 0.0
        calls.append((reward, reference / reference.sum(), 0.5))
    reward, reference = normal(draw, 9, dtype=torch.float64), _reference(draw, 9, torch.float64)
    reward[4], reference[4] = 500.0, 0.0  # e^1000: no lower bound of float64 is low enough
    calls.append((reward, reference / reference.sum(), 0.5))
    reward, reference = normal(draw, 9), _reference(draw, 9)
    reward[3], reference[3] = 69.0, 1e-30  # hardly ever written, and still worth a share
    calls.append((reward, reference, 1.0))
    _check(subject, *calls)
