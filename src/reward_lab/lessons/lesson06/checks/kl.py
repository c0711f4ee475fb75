"""TODO 3: three estimators of the KL divergence."""

from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import Outcome, expect_like, normal, numbers_of
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe
from reward_lab.rlhf.ppo import kl_estimators as right_estimators

kl_estimators = Exercise(
    "kl_estimators",
    first_step="Compute the one quantity of which all three are functions.",
)

Estimators = Callable[[Tensor, Tensor], tuple]


def _of_ratio(
    k1: Callable | None = None, k2: Callable | None = None, k3: Callable | None = None
) -> Estimators:
    """Estimators that are right but for those given, which are functions of the log-ratio log p - log q."""

    def estimators(log_p, log_q):
        right = right_estimators(log_p, log_q)
        return tuple(
            own(log_p - log_q) if own else good for own, good in zip((k1, k2, k3), right, strict=True)
        )

    return estimators


NEAR_ZERO = "Near 0, exp(x) - 1 subtracts two numbers that agree in almost every digit. Use `torch.expm1`."

KL_MISTAKES: dict[str, Estimators] = {
    "p and q are swapped: samples come from p, so the log-ratio is log p - log q.": lambda p, q: (
        right_estimators(q, p)
    ),
    "The sign of k1 is wrong: it is log p - log q.": _of_ratio(k1=lambda x: -x),
    "k1 may be negative for a single sample: do not take its absolute value.": _of_ratio(
        k1=lambda x: x.abs()
    ),
    "k1 may be negative for a single sample: do not cut it off at 0.": _of_ratio(k1=lambda x: x.clamp(min=0)),
    "k1 is weighed by p. The samples come from p already: leave the weight out.": lambda p, q: (
        p.exp() * (p - q),
        *right_estimators(p, q)[1:],
    ),
    "k2 lacks its factor one half.": _of_ratio(k2=lambda x: x.square()),
    "k2 is half the square of the log-ratio, not half the log-ratio.": _of_ratio(k2=lambda x: x / 2),
    "The direction of the ratio in k3 is wrong: it is exp(log q - log p), for samples from p.": _of_ratio(
        k3=lambda x: torch.expm1(x) - x
    ),
    "The last sign in k3 is wrong: subtract log q - log p, which is to add log p - log q.": _of_ratio(
        k3=lambda x: torch.expm1(-x) - x
    ),
    "The 1 is missing in k3: it is exp(log q - log p) - 1 - (log q - log p).": _of_ratio(
        k3=lambda x: torch.exp(-x) + x
    ),
    "k3 lacks its log-ratio: exp(log q - log p) - 1 alone has mean 0.": _of_ratio(
        k3=lambda x: torch.expm1(-x)
    ),
    NEAR_ZERO: _of_ratio(k3=lambda x: torch.exp(-x) - 1 + x),
    "The order is k1, k2, k3.": lambda p, q: right_estimators(p, q)[::-1],
    "All three are the same. They differ for a single sample.": lambda p, q: (right_estimators(p, q)[0],) * 3,
}


def _read(value: object, arguments: tuple) -> Outcome:
    if type(value) not in (tuple, list) or len(value) != 3:
        raise Mistake("three tensors, (k1, k2, k3)", describe(value))
    shape = tuple(arguments[0].shape)
    likely = "Each is per sample, of the inputs' shape: leave the averaging to the caller."
    return {
        name: numbers_of(k, shape, name, likely) for name, k in zip(("k1", "k2", "k3"), value, strict=True)
    }


def _check(subject: Subject, *calls: tuple[Tensor, Tensor], atol: float = 1e-5, rtol: float = 1e-4) -> None:
    expect_like(subject, right_estimators, KL_MISTAKES, calls, _read, atol=atol, rtol=rtol)


@kl_estimators.case("the two samples of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, (torch.tensor([0.5, 0.5]).log(), torch.tensor([0.25, 0.75]).log()))


@kl_estimators.case("random samples, per text and per word", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = []
    for shape, dtype in (((30,), torch.float32), ((4, 6), torch.float64), ((1,), torch.float32)):
        log_p = -3 + normal(draw, *shape, dtype=dtype)
        calls.append((log_p, log_p - 0.3 + normal(draw, *shape, dtype=dtype)))
    _check(subject, *calls)


@kl_estimators.case("policies that hardly differ: k3 near zero", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = []
    for size, dtype in ((2e-3, torch.float32), (2e-8, torch.float64)):
        # log q is 0, so that the log-ratio has all its digits. Rounding then costs k3 about one part in 10,000
        # with expm1, and one in ten or more without.
        log_p = -size * (0.5 + torch.rand(40, generator=draw, dtype=dtype))
        log_p[::2] *= -1
        log_p[:2] = 0.0  # equal: all three are exactly 0
        calls.append((log_p, torch.zeros_like(log_p)))
    try:
        _check(subject, *calls, rtol=1e-2, atol=0.0)
    except Mistake as mistake:
        # There are many ways to lose the digits, and each leaves other ones.
        likely = mistake.likely or (NEAR_ZERO if mistake.expected.startswith("k3") else None)
        raise Mistake(mistake.expected, mistake.got, likely, mistake.not_yet, mistake.final) from None


@kl_estimators.case("policies far apart", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    log_p = -20 + normal(draw, 20, dtype=torch.float64)
    log_ratio = torch.linspace(-15, 15, 20, dtype=torch.float64) + normal(draw, 20, dtype=torch.float64)
    _check(subject, (log_p, log_p - log_ratio))
