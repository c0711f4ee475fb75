"""TODO 2: the win rate at equal length."""

from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import Outcome, expect_like, normal
from reward_lab.checks.numbers import as_number
from reward_lab.checks.subject import Subject
from reward_lab.statistics.evaluation import length_controlled_win_rate as package_rate

length_controlled_win_rate = Exercise(
    "length_controlled_win_rate",
    first_step="Fit the 40 comparisons of the example by hand: two groups, two unknowns.",
)

Rate = Callable[[Tensor, Tensor], float]


def right_rate(wins: Tensor, difference: Tensor) -> float:
    """The package's own, from tensors of any device."""
    return package_rate(wins.tolist(), difference.tolist())


def _fit(x: Tensor, won: Tensor, penalty: float = 0.0, steps: int = 60) -> Tensor:
    """Weights of a logistic regression, by Newton steps of limited length."""
    weights = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device)
    for _ in range(steps):
        p = torch.sigmoid(x @ weights)
        slope = x.T @ (won - p) - penalty * weights
        curvature = (x * (p * (1 - p)).unsqueeze(1)).T @ x
        curvature = curvature + (penalty + 1e-12) * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        step = torch.linalg.solve(curvature, slope)
        weights = weights + step / step.abs().max().clamp(min=1)
    return weights


def _tanh(d: Tensor) -> Tensor:
    return torch.tanh(d / d.std(correction=0))


def _fitted(
    feature: Callable[[Tensor], Tensor] = _tanh,
    read: Callable[[Tensor, Tensor], Tensor] = lambda weights, x: torch.sigmoid(weights[0]),
    intercept: bool = True,
    penalty: float = 0.0,
    steps: int = 60,
) -> Rate:
    """The rate by a fit with a feature, a penalty or a reading of its own."""

    def answer(wins: Tensor, difference: Tensor) -> float:
        d = difference.double()
        columns = [torch.ones_like(d), feature(d)] if intercept else [feature(d)]
        x = torch.stack(columns, dim=1)
        return read(_fit(x, wins.double(), penalty, steps), x).item()

    return answer


def _least_squares(wins: Tensor, difference: Tensor) -> float:
    d = difference.double()
    x = torch.stack([torch.ones_like(d), _tanh(d)], dim=1)
    return torch.linalg.lstsq(x, wins.double().unsqueeze(1)).solution[0].item()


def _matched_pairs(wins: Tensor, difference: Tensor) -> float:
    equal = difference == 0
    return wins[equal].double().mean().item() if equal.any() else 0.5


def _gradient_steps(rate: float, steps: int) -> Rate:
    def answer(wins: Tensor, difference: Tensor) -> float:
        d = difference.double()
        x, won = torch.stack([torch.ones_like(d), _tanh(d)], dim=1), wins.double()
        weights = torch.zeros(2, dtype=torch.float64, device=d.device)
        for _ in range(steps):
            weights = weights + rate * x.T @ (won - torch.sigmoid(x @ weights)) / len(d)
        return torch.sigmoid(weights[0]).item()

    return answer


def _half_rounded(up: bool) -> Rate:
    return lambda w, d: right_rate((w > 0.5).double() if not up else (w >= 0.5).double(), d)


RATE_MISTAKES: dict[str, Rate | list[Rate]] = {
    "This is the raw win rate: the length was not controlled.": lambda w, d: w.double().mean().item(),
    "The length difference goes into the fit without tanh.": _fitted(lambda d: d / d.std(correction=0)),
    "The length difference is not divided by its standard deviation.": [
        _fitted(torch.tanh),
        _fitted(lambda d: d),
    ],
    "The standard deviation divides by n - 1 here. The population's divides by n: `correction=0`.": _fitted(
        lambda d: torch.tanh(d / d.std())
    ),
    "The differences are centred first. At a difference of 0 the lengths are equal: keep the 0 where it is.": _fitted(
        lambda d: torch.tanh((d - d.mean()) / d.std(correction=0))
    ),
    "The fit has no intercept, so at difference 0 it says 1/2 whatever the data.": _fitted(
        read=lambda weights, x: torch.sigmoid(0 * weights[0]), intercept=False
    ),
    "This is the mean of the fitted probabilities, which is the raw rate again. Read the fit at difference 0.": _fitted(
        read=lambda weights, x: torch.sigmoid(x @ weights).mean()
    ),
    "This reads the fit at tanh = 1. Read it at difference 0: sigma(a).": _fitted(
        read=lambda weights, x: torch.sigmoid(weights.sum())
    ),
    "This is a, a logit. Return sigma(a).": _fitted(read=lambda weights, x: weights[0]),
    "This is sigma(b), what length does. sigma(a) is asked for.": _fitted(
        read=lambda weights, x: torch.sigmoid(weights[1])
    ),
    "The difference counts the other way round, or the wins do: this is 1 minus the answer.": lambda w, d: (
        1 - right_rate(w, d)
    ),
    "This is least squares. Fit the logistic curve by maximum likelihood.": _least_squares,
    "Only pairs of equal length are used. The fit uses all pairs.": _matched_pairs,
    "A penalty pulls the weights towards 0. Fit without one.": [
        _fitted(penalty=penalty) for penalty in (1e-2, 0.1, 0.5, 1.0, 2.0, 10.0)
    ],
    "Ties were made wins or losses. They count as they are, 0.5.": [
        _half_rounded(True),
        _half_rounded(False),
    ],
    "The scale is the mean absolute difference. The standard deviation is asked for.": _fitted(
        lambda d: torch.tanh(d / d.abs().mean())
    ),
    "The scale is the root mean square of the differences. The standard deviation is taken around their mean.": _fitted(
        lambda d: torch.tanh(d / d.square().mean().sqrt())
    ),
    "The fit stopped before it was at the top: take more steps.": [
        *(_fitted(steps=steps) for steps in (1, 2)),
        *(_gradient_steps(rate, steps) for rate in (0.01, 0.1, 1.0) for steps in (10, 50, 100)),
    ],
}


def _read(value: object, arguments: tuple) -> Outcome:
    return {"the win rate": torch.tensor(as_number(value), dtype=torch.float64)}


def _check(subject: Subject, *calls: tuple[Tensor, Tensor]) -> None:
    expect_like(subject, right_rate, RATE_MISTAKES, calls, _read, rtol=0.0, atol=2e-5)


def _comparisons(
    draw: torch.Generator, n: int, a: float, b: float, lead: float, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Wins and length differences, in whole words, of a writer who is `lead` words longer."""
    difference = (normal(draw, n, dtype=torch.float64) * 6 + lead).round()
    p = torch.sigmoid(a + b * _tanh(difference))
    wins = (torch.rand(n, generator=draw, dtype=torch.float64) < p).double()
    # Both outcomes on both sides, whatever was drawn: a best fit exists.
    wins[:4], difference[:4] = torch.tensor([1.0, 0.0, 1.0, 0.0]), torch.tensor([-9.0, -9.0, 9.0, 9.0])
    return wins.to(dtype), difference.to(dtype)


@length_controlled_win_rate.case("the 40 comparisons of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    difference = torch.tensor([1.0] * 30 + [-1.0] * 10, dtype=torch.float64)
    wins = torch.tensor([1.0] * 24 + [0.0] * 6 + [1.0] * 4 + [0.0] * 6, dtype=torch.float64)
    _check(subject, (wins, difference))


@length_controlled_win_rate.case("verbose writers, good and bad", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(
        subject,
        _comparisons(draw, 300, 0.3, 1.0, 5.0),
        _comparisons(draw, 150, -0.8, 1.5, -4.0),
        _comparisons(draw, 70, 0.5, 0.2, 3.0, torch.float32),
    )


@length_controlled_win_rate.case("ties, shares, and a judge whom length decides almost alone", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    wins, difference = _comparisons(draw, 200, 0.4, 1.2, 4.0)
    wins[10:60] = 0.5
    wins[60:90] = torch.rand(30, generator=draw, dtype=torch.float64)
    _check(subject, (wins, difference), _comparisons(draw, 400, 1.0, 6.0, 2.0))


@length_controlled_win_rate.case("equal differences raise ValueError", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    wins = (torch.rand(12, generator=draw) < 0.6).double()
    for value in (0.0, 3.0):
        failure = subject.error(wins, torch.full((12,), value, dtype=torch.float64))
        if failure is None or failure.type_name != "ValueError":
            raise Mistake(
                f"ValueError where every length difference is {value:g}",
                "no exception" if failure is None else str(failure),
                "Where all differences are equal nothing can be controlled: check their spread first.",
            )
