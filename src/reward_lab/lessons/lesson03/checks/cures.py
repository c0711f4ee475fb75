"""TODO 4: one noisy world, three losses, two scores each."""

from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import Outcome, expect_like
from reward_lab.checks.numbers import as_number
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe
from reward_lab.lessons.lesson03.cures import compare_cures as right_cures
from reward_lab.lessons.lesson03.cures import fit_weights
from reward_lab.statistics.noise import expected_scores, noisy_labels
from reward_lab.statistics.noisy_losses import flip_corrected_loss, smoothed_bt_loss

compare_cures = Exercise(
    "compare_cures",
    first_step="Compute the example on paper: for each of the three losses, which probability does the fit end at?",
    withholds=(
        "reward_lab.lessons.lesson03.cures.fit_weights",
        "reward_lab.lessons.lesson03.experiments.fit_linear",
    ),
    uses=("smoothed_bt_loss", "flip_corrected_loss"),
)

LOSSES = ("plain", "smoothed", "corrected")
Loss = Callable[[Tensor], Tensor]
Cures = Callable[..., dict]


def _losses(e: float) -> dict[str, Loss]:
    return {
        "plain": lambda m: smoothed_bt_loss(m, 0.0),
        "smoothed": lambda m: smoothed_bt_loss(m, e),
        "corrected": lambda m: flip_corrected_loss(m, e),
    }


def _slope(margin: Tensor, true: Tensor) -> Tensor:
    return (margin * true).mean() / true.square().mean()


def _accuracy(margin: Tensor, p: Tensor) -> float:
    return expected_scores(margin, p).accuracy


def _cures(
    losses: Callable[[float], dict[str, Loss]] = _losses,
    scale: Callable[[Tensor, Tensor], Tensor] = _slope,
    accuracy: Callable[[Tensor, Tensor], float] = _accuracy,
    fit: Callable[[Tensor, Tensor, Loss], Tensor] = fit_weights,
    labels_of: Callable[[Tensor], Tensor] = lambda labels: labels,
    true_of: Callable[[Tensor], Tensor] = torch.logit,
    swapped: bool = False,
) -> Cures:
    """A comparison that goes about one part of it in its own way."""

    def cures(difference: Tensor, labels: Tensor, held_out: Tensor, p: Tensor, flip_rate: float) -> dict:
        found = {}
        for name, loss in losses(flip_rate).items():
            margin = held_out.double() @ fit(difference, labels_of(labels), loss)
            pair = scale(margin, true_of(p.double())).item(), float(accuracy(margin, p.double()))
            found[name] = pair[::-1] if swapped else pair
        return found

    return cures


def _with(name: str, loss: Callable[[float], Loss]) -> Cures:
    """One of the three losses is another one."""
    return _cures(lambda e: _losses(e) | {name: loss(e)})


def _descent(rate: float, steps: int) -> Callable[[Tensor, Tensor, Loss], Tensor]:
    """Gradient descent from 0, stopped."""

    def fit(difference: Tensor, labels: Tensor, loss: Loss) -> Tensor:
        signed = torch.where(labels, 1.0, -1.0).unsqueeze(1).double() * difference.double()
        weights = torch.zeros(difference.shape[1], dtype=torch.float64, requires_grad=True)
        for _ in range(steps):
            (slope,) = torch.autograd.grad(loss(signed @ weights), weights)
            weights = (weights - rate * slope).detach().requires_grad_()
        return weights.detach()

    return fit


def _penalised(strength: float) -> Callable[[Tensor, Tensor, Loss], Tensor]:
    """With a penalty on the squares of the weights."""

    def fit(difference: Tensor, labels: Tensor, loss: Loss) -> Tensor:
        signed = torch.where(labels, 1.0, -1.0).unsqueeze(1).double() * difference.double()
        weights = torch.zeros(difference.shape[1], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

        def objective() -> Tensor:
            optimizer.zero_grad()
            value = loss(signed @ weights) + strength * weights.square().sum()
            value.backward()
            return value

        optimizer.step(objective)
        return weights.detach()

    return fit


CURE_MISTAKES: dict[str, Cures | list[Cures]] = {
    "The smoothed and the corrected fit are swapped.": _cures(
        lambda e: {"plain": _losses(e)["plain"], "smoothed": _losses(e)["corrected"], "corrected": _losses(e)["smoothed"]}
    ),
    "All three are fitted with the plain loss.": _cures(lambda e: dict.fromkeys(LOSSES, _losses(e)["plain"])),
    "`corrected` is fitted with the smoothed loss.": _with("corrected", lambda e: _losses(e)["smoothed"]),
    "`smoothed` is fitted with the corrected loss.": _with("smoothed", lambda e: _losses(e)["corrected"]),
    "The smoothing is half of the flip rate. Both are the same number here.": _with(
        "smoothed", lambda e: lambda m: smoothed_bt_loss(m, e / 2)
    ),
    "`plain` is fitted with the smoothed loss: its smoothing is 0.": _with("plain", lambda e: _losses(e)["smoothed"]),
    "The rates are fixed in the code. Use the flip_rate that is given.": [
        _cures(lambda e, rate=rate: _losses(rate)) for rate in (0.1, 0.2, 0.3)
    ],
    "The labels are read the wrong way round: True says that the first text is preferred.": _cures(
        labels_of=lambda labels: ~labels
    ),
    "The labels are not used: every first text seems to be preferred.": _cures(labels_of=torch.ones_like),
    "The scale is the other way round. Divide by the mean square of the true margins.": [
        _cures(scale=lambda m, t: (m * t).mean() / m.square().mean()),
        _cures(scale=lambda m, t: 1 / _slope(m, t)),
    ],
    "The scale is a ratio of spreads. It is a slope: divide the sum of m t by the sum of t squared.": [
        _cures(scale=lambda m, t: m.std() / t.std()),
        _cures(scale=lambda m, t: m.square().mean().sqrt() / t.square().mean().sqrt()),
    ],
    "The scale is a correlation. It is a slope: divide the sum of m t by the sum of t squared.": _cures(
        scale=lambda m, t: (m * t).mean() / (m.square().mean() * t.square().mean()).sqrt()
    ),
    "The fitted margins are compared with p. The true margin is the log-odds of p.": _cures(true_of=lambda p: p),
    "The true margins are the logarithms of p. They are its log-odds.": _cures(true_of=torch.log),
    "The accuracy counts how often the model names the likelier side. A person may not.": _cures(
        accuracy=lambda m, p: ((m > 0) == (p > 0.5)).double().mean().item()
    ),
    "The accuracy is the mean of what the model says to be likely. It is p where the margin is above 0, else 1 - p.": _cures(
        accuracy=lambda m, p: torch.sigmoid(m.abs()).mean().item()
    ),
    "Accuracy and scale are swapped: the scale comes first.": _cures(swapped=True),
    "A penalty on the weights pulls them towards 0. Only the loss is made small.": [
        _cures(fit=_penalised(strength)) for strength in (0.01, 0.1)
    ],
    "The fit was stopped early. Go on until the loss no longer falls.": [
        _cures(fit=_descent(rate, steps)) for rate, steps in ((0.1, 1), (0.01, 100), (0.1, 100))
    ],
}  # fmt: skip


def _read(value: object, arguments: tuple) -> Outcome:
    form = 'a dict with the keys "plain", "smoothed" and "corrected", each with (scale, accuracy)'
    if type(value) is not dict or set(value) != set(LOSSES):
        raise Mistake(form, describe(value))
    found = {}
    for name in LOSSES:
        pair = value[name]
        if isinstance(pair, Tensor) and pair.shape == (2,):
            pair = pair.tolist()
        if type(pair) not in (tuple, list) or len(pair) != 2:
            raise Mistake(form, f"{describe(pair)} for {name}")
        for what, number in zip(("scale", "accuracy"), pair, strict=True):
            number = number.detach() if isinstance(number, Tensor) else number
            found[f"the {what} of {name}"] = torch.tensor(as_number(number, f"the {what} of {name}")).double()
    return found


def _expect(subject: Subject, *calls: tuple) -> None:
    expect_like(subject, right_cures, CURE_MISTAKES, calls, _read, rtol=5e-3, atol=5e-3)


def _world(draw: torch.Generator, n: int, features: int, flip_rate: float, dtype: torch.dtype) -> tuple:
    """Pairs whose true margins are linear in the features, with noisy labels, and held-out pairs with their p."""
    weights = torch.randn(features, generator=draw)
    weights = 1.2 * weights / weights.norm()
    difference, held_out = (torch.randn(m, features, generator=draw) for m in (n, 60))
    labels = noisy_labels(torch.sigmoid(difference @ weights), flip_rate, draw)
    return (
        difference.to(dtype),
        labels,
        held_out.to(dtype),
        torch.sigmoid(held_out @ weights).double(),
        flip_rate,
    )


@compare_cures.case("one feature, by hand", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    labels = torch.arange(100) < 74
    labels = labels[torch.randperm(100, generator=draw)]
    held_out, p = torch.tensor([[1.0]]), torch.tensor([0.9], dtype=torch.float64)
    _expect(subject, (torch.ones(100, 1), labels, held_out, p, 0.2))


@compare_cures.case("drawn worlds with slips", points=1.0)
def _(subject: Subject, draw: torch.Generator) -> None:
    _expect(
        subject,
        _world(draw, 500, 8, 0.1, torch.float32),
        _world(draw, 1500, 2, 0.25, torch.float64),
        _world(draw, 900, 4, 0.15, torch.float32),
    )


@compare_cures.case("no slips: the three agree", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _expect(subject, _world(draw, 500, 5, 0.0, torch.float32), _world(draw, 900, 2, 0.2, torch.float32))
