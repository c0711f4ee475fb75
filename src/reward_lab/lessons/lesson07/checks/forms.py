"""TODO 3: the forms of Gao et al., fitted."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import Outcome, expect_like, normal
from reward_lab.checks.numbers import as_number
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe
from reward_lab.rlhf.overoptimization import fading, fitted_gain, kl_at_peak
from reward_lab.rlhf.overoptimization import fit_overoptimization as right_fit

fit_overoptimization = Exercise(
    "fit_overoptimization",
    first_step="Write the two columns for two or three points on paper; what do they hold where the distance is 0?",
    withholds=("reward_lab.rlhf.overoptimization.kl_at_peak",),
)

Fit = Callable[[Tensor, Tensor, str], tuple]


def _fitted(columns: Callable[[Tensor, str], list[Tensor]], weight: Callable | None = None) -> Fit:
    """Least squares on columns of its own, alpha first and beta second; columns(d, form)."""

    def answer(kl: Tensor, gain: Tensor, form: str) -> tuple:
        there = kl > 0
        d, y = kl[there].double().sqrt(), gain[there].double()
        x = torch.stack(columns(d, form), dim=1)
        w = weight(d) if weight else torch.ones_like(d)
        alpha, beta, *_ = (
            torch.linalg.lstsq((x * w[:, None]).cpu(), (y * w)[:, None].cpu()).solution.flatten().tolist()
        )
        return alpha, beta, kl_at_peak(alpha, beta, form)

    return answer


def _columns(d: Tensor, form: str) -> list[Tensor]:
    return [d, -d * fading(d, form)]


def _changed(change: Callable[[float, float, float, str], tuple]) -> Fit:
    return lambda kl, gain, form: change(*right_fit(kl, gain, form), form)


def _with_intercept_and_zero(kl: Tensor, gain: Tensor, form: str) -> tuple:
    d, y = kl.double().cpu().sqrt(), gain.double().cpu()
    faded = torch.where(d > 0, fading(d.clamp(min=1e-300), form), 0.0)
    columns = torch.stack([d, -d * faded, torch.ones_like(d)], dim=1)
    alpha, beta, _ = torch.linalg.lstsq(columns, y.unsqueeze(1)).solution.flatten().tolist()
    return alpha, beta, kl_at_peak(alpha, beta, form)


def _only(form: str, change: Callable[[float, float, float], tuple]) -> Fit:
    return _changed(lambda a, b, k, f: change(a, b, k) if f == form else (a, b, k))


def _plain_peak(alpha: float, beta: float, form: str) -> float:
    return (alpha / (2 * beta)) ** 2 if form == "bon" else math.exp(2 * (alpha / beta - 1))


FORM_MISTAKES: dict[str, Fit] = {
    "The distance is d = sqrt(kl), not the KL itself.": lambda kl, g, f: right_fit(
        kl.double().square(), g, f
    ),
    "The fit has an intercept. At KL 0 the gain is 0 by definition: leave the column of ones out.": _fitted(
        lambda d, f: [*_columns(d, f), torch.ones_like(d)]
    ),
    "The fit has an intercept, and keeps the points at KL 0. Leave both out: no distance means no gain.": (
        _with_intercept_and_zero
    ),
    "The sign of beta is wrong: the form subtracts beta.": _changed(lambda a, b, k, f: (a, -b, k)),
    "The sign of beta is wrong, and so the peak is inf.": _changed(lambda a, b, k, f: (a, -b, math.inf)),
    "The RL form has log d, and log kl is twice that.": _only(
        "rl", lambda a, b, k: (a, b / 2, _plain_peak(a, b / 2, "rl"))
    ),
    "The third number is d at the peak. The KL is its square.": _changed(
        lambda a, b, k, f: (a, b, math.sqrt(k))
    ),
    'The two forms are swapped: "bon" has d, "rl" has log d.': lambda kl, g, f: right_fit(
        kl, g, "rl" if f == "bon" else "bon"
    ),
    'The form is not used: "rl" has log d in place of d.': lambda kl, g, f: right_fit(kl, g, "bon"),
    "The order is alpha, beta, KL at the peak.": _changed(lambda a, b, k, f: (b, a, k)),
    'The peak of "bon" is at d = alpha / (2 beta). At alpha / beta the gain is back at 0.': _only(
        "bon", lambda a, b, k: (a, b, 4 * k)
    ),
    'The peak of "rl" is at d = exp(alpha / beta - 1). At exp(alpha / beta) the gain is back at 0.': _only(
        "rl", lambda a, b, k: (a, b, k * math.e**2)
    ),
    "The third number is the gain at the peak. The KL is asked for.": _changed(
        lambda a, b, k, f: (a, b, fitted_gain(torch.tensor([k]), a, b, f).item() if k < math.inf else k)
    ),
    "gain / d is fitted, which gives points near 0 a large weight. Fit the gain itself.": _fitted(
        _columns, lambda d: 1 / d
    ),
    "The factor d in front is missing: the gain is d times what stands in the brackets.": _fitted(
        lambda d, f: [torch.ones_like(d), -fading(d, f)]
    ),
    "Where beta is 0 or less the curve never turns: the peak is inf.": _changed(
        lambda a, b, k, f: (a, b, _plain_peak(a, b, f) if k == math.inf else k)
    ),
    "The logarithm is to base 10. Take the natural one.": _only(
        "rl", lambda a, b, k: (a, b * math.log(10), k)
    ),
    "The logarithm is to base 2. Take the natural one.": _only("rl", lambda a, b, k: (a, b * math.log(2), k)),
}


def _read(value: object, arguments: tuple) -> Outcome:
    if isinstance(value, Tensor) and value.dim() == 1 and len(value) == 3:
        value = tuple(value)
    if type(value) not in (tuple, list) or len(value) != 3:
        raise Mistake("three numbers, (alpha, beta, kl_at_peak)", describe(value))
    names = ("alpha", "beta", "the KL at the peak")
    return {
        name: torch.tensor(as_number(number, name), dtype=torch.float64)
        for name, number in zip(names, value, strict=True)
    }


def _explain(got: Sequence[Outcome], want: Sequence[Outcome]) -> str | None:
    if any(part.isnan() for one in got for part in one.values()):
        return "At KL 0, log d is -inf, and 0 * log 0 is NaN. Leave the points at KL 0 out."
    return None


def _check(subject: Subject, *calls: tuple) -> None:
    expect_like(subject, right_fit, FORM_MISTAKES, calls, _read, rtol=1e-3, atol=1e-4, explain=_explain)


def _points(draw: torch.Generator, form: str, beta: float, zero: bool = False) -> tuple[Tensor, Tensor, str]:
    kl = (0.3 + 3 * torch.rand(14, generator=draw, dtype=torch.float64)) ** 2
    if zero:
        kl[0] = 0.0
    alpha = 1.5 + torch.rand(1, generator=draw).item()
    gain = fitted_gain(kl, alpha, beta, form) + 0.1 * normal(draw, 14, dtype=torch.float64)
    gain[kl == 0] = 0.0
    return kl, gain, form


@fit_overoptimization.case("the four points of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    kl, gain = torch.tensor([0.25, 1.0, 4.0]), torch.tensor([1.3, 2.1, 2.9])
    zero = torch.zeros(1)
    _check(subject, (torch.cat([zero, kl]), torch.cat([zero, gain]), "bon"))


@fit_overoptimization.case("noisy points of either form", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    kl, gain, form = _points(draw, "rl", 0.6)
    points = (_points(draw, "bon", 0.5), _points(draw, "rl", 0.9), _points(draw, "bon", 0.3))
    _check(subject, *points, (kl, 50 * gain, form))


@fit_overoptimization.case("a point at KL 0", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, _points(draw, "rl", 0.8, zero=True), _points(draw, "bon", 0.4, zero=True))


@fit_overoptimization.case("a curve that never turns", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, _points(draw, "bon", -0.3), _points(draw, "rl", -0.4))
