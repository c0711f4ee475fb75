"""TODO 3: three estimators of the KL divergence."""

from collections.abc import Callable, Sequence

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


RATIO = "A ratio of probabilities breaks down: far below 0, exp gives 0, and 0 / 0 is NaN. Take the exp of the difference."
CUT_OFF = "Values far from 0 are cut off. The formulas hold for every log-ratio: leave the clamp out."
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
    RATIO: (lambda p, q: (*right_estimators(p, q)[:2], q.exp() / p.exp() - 1 + p - q)),
    "k3 is k2 here. The two agree only while the policies are close.": lambda p, q: (
        *right_estimators(p, q)[:2],
        right_estimators(p, q)[1],
    ),
    NEAR_ZERO: _of_ratio(k3=lambda x: torch.exp(-x) - 1 + x),
    "The order is k1, k2, k3.": lambda p, q: right_estimators(p, q)[::-1],
    "All three are the same. They differ for a single sample.": lambda p, q: (right_estimators(p, q)[0],) * 3,
}


def _read(value: object, arguments: tuple) -> Outcome:
    if type(value) not in (tuple, list) or len(value) != 3:
        likely = None
        if isinstance(value, Tensor) and value.dim() == arguments[0].dim() + 1:
            likely = "Return the three tensors themselves, `return k1, k2, k3`, not stacked into one."
        raise Mistake("three tensors, (k1, k2, k3)", describe(value), likely)
    shape = tuple(arguments[0].shape)
    likely = "Each is per sample, of the inputs' shape: leave the averaging to the caller."
    return {
        name: numbers_of(k, shape, name, likely) for name, k in zip(("k1", "k2", "k3"), value, strict=True)
    }


def _check(subject: Subject, *calls: tuple[Tensor, Tensor], atol: float = 1e-5, rtol: float = 1e-4) -> None:
    def explain(got: Sequence[Outcome], want: Sequence[Outcome]) -> str | None:
        if _lost_digits(calls, got, want):
            return NEAR_ZERO
        return CUT_OFF if _only_far_from_zero(got, want) else None

    # Near 0 a ratio of probabilities only loses digits, as exp() - 1 does.
    mistakes = {said: wrong for said, wrong in KL_MISTAKES.items() if said != RATIO or rtol < 1e-2}
    expect_like(subject, right_estimators, mistakes, calls, _read, atol=atol, rtol=rtol, explain=explain)


def _lost_digits(calls: Sequence[tuple], got: Sequence[Outcome], want: Sequence[Outcome]) -> bool:
    """Whether k3 alone is off, and by no more than rounding a number near 1 costs. There are many ways to do that."""
    for (log_p, _), x, y in zip(calls, got, want, strict=True):
        eps = torch.finfo(log_p.dtype).eps
        off = (x["k3"] - y["k3"]).abs()
        if not all(torch.allclose(x[k], y[k], rtol=1e-4, atol=1e-30) for k in ("k1", "k2")):
            return False
        if not bool((off <= 4 * eps * y["k3"].abs().clamp(min=1)).all()):
            return False
    return True


def _only_far_from_zero(got: Sequence[Outcome], want: Sequence[Outcome]) -> bool:
    """Whether all is right for log-ratios up to 5, finite beyond, and wrong there."""
    for x, y in zip(got, want, strict=True):
        near = y["k1"].abs() < 5
        if not all(x[k].isfinite().all() and torch.allclose(x[k][near], y[k][near], rtol=1e-3) for k in y):
            return False
    return any((y["k1"].abs() < 5).any() for y in want)


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
    calls.append(_tame(draw))
    _check(subject, *calls, rtol=1e-2, atol=0.0)


def _tame(draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Log-ratios between 0.5 and 1.5, of both signs: no mistake hides there, and none but its own is said."""
    log_p = -3 + normal(draw, 12)
    size = 0.5 + torch.rand(12, generator=draw)
    size[::2] *= -1
    return log_p, log_p - size


@kl_estimators.case("policies far apart", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    log_p = -20 + normal(draw, 20, dtype=torch.float64)
    log_ratio = torch.linspace(-15, 15, 20, dtype=torch.float64) + normal(draw, 20, dtype=torch.float64)
    unlikely, unlikelier = _tame(draw), (-800.0 + normal(draw, 12, dtype=torch.float64))
    _check(
        subject,
        (log_p, log_p - log_ratio),
        _tame(draw),
        (torch.tensor([-5.0, -70.0, -40.0]), torch.tensor([-45.0, -40.0, -5.0])),  # e^35 is no overflow
        (unlikely[0] - 200, unlikely[1] - 200),  # whole texts: their probabilities are 0 in float32
        (unlikelier, unlikelier + 1 + normal(draw, 12, dtype=torch.float64)),  # and these in float64
    )
