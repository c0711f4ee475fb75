"""TODO 1: the effect of an edit."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from reward_lab.checks.evaluating import expect_mode_put_back, expect_untouched, probe_model
from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import Outcome, expect_like
from reward_lab.checks.numbers import as_number
from reward_lab.checks.probes import Probe
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe
from reward_lab.statistics.evaluation import counterfactual_effect as right_effect

counterfactual_effect = Exercise(
    "counterfactual_effect",
    first_step="Write down the difference edited minus original for each text. Everything else is done with these.",
)

VOCABULARY = 40
Numbers = tuple[float, float]


def _with(
    numbers: Callable[[Tensor, Tensor], Numbers], mode: bool | None = False, tracked: bool = False
) -> Callable[[nn.Module, Tensor, Tensor], Numbers]:
    """An effect that makes its two numbers from the rewards (edited, original) in its own way.

    Args:
        numbers: (n,) and (n,) float64 rewards to the two numbers.
        mode: the model's while it scores; None is the one it came in.
        tracked: whether gradients are recorded.
    """

    def answer(model: nn.Module, texts: Tensor, edited: Tensor) -> Numbers:
        if mode is not None:
            model.train(mode)
        with torch.set_grad_enabled(tracked):
            after, before = model(edited).detach().double(), model(texts).detach().double()
        return numbers(after, before)

    return answer


def _of_differences(
    centre: Callable[[Tensor], Tensor] = torch.mean, spread: Callable[[Tensor], float] | None = None
) -> Callable[[Tensor, Tensor], Numbers]:
    def numbers(after: Tensor, before: Tensor) -> Numbers:
        d = after - before
        return centre(d).item(), (spread or _error)(d)

    return numbers


def _error(d: Tensor) -> float:
    return d.std().item() / math.sqrt(len(d))


def _unpaired(after: Tensor, before: Tensor) -> Numbers:
    return (after - before).mean().item(), math.sqrt((after.var() + before.var()).item() / len(after))


def _flipped(after: Tensor, before: Tensor) -> Numbers:
    return _of_differences()(before, after)


def _absolute(after: Tensor, before: Tensor) -> Numbers:
    d = (after - before).abs()
    return d.mean().item(), _error(d)


def _of_edited(after: Tensor, before: Tensor) -> Numbers:
    return after.mean().item(), _error(after)


EFFECT_MISTAKES: dict[str, Callable | list[Callable]] = {
    "The standard error is that of two separate means. Each text is its own comparison: use the differences.": _with(
        _unpaired
    ),
    "This is the standard deviation of the differences. Divide by sqrt(n).": _with(
        _of_differences(spread=lambda d: d.std().item())
    ),
    "The standard deviation divides by n here. With n - 1 it is not too small on average.": _with(
        _of_differences(spread=lambda d: d.std(correction=0).item() / math.sqrt(len(d)))
    ),
    "The standard deviation is divided by n. The standard error divides by sqrt(n).": _with(
        _of_differences(spread=lambda d: d.std().item() / len(d))
    ),
    "The standard deviation is divided by sqrt(n - 1), after it was taken with n - 1 already.": _with(
        _of_differences(spread=lambda d: d.std().item() / math.sqrt(len(d) - 1))
    ),
    "This is the squared standard error. Take its root.": _with(
        _of_differences(spread=lambda d: d.var().item() / len(d))
    ),
    "The sign is the wrong way round: edited minus original.": _with(_flipped),
    "The sign of each difference is lost. An edit may help one text and harm another.": [
        _with(_absolute),
        _with(_of_differences(centre=lambda d: d.abs().mean())),
        _with(_of_differences(centre=lambda d: d.mean().abs())),
    ],
    "The differences are summed. Their mean is asked for.": _with(_of_differences(centre=torch.sum)),
    "This is the median of the differences. Their mean is asked for.": _with(
        _of_differences(centre=lambda d: torch.quantile(d, 0.5))
    ),
    "The two numbers are swapped: first the mean, then its standard error.": _with(
        lambda after, before: _of_differences()(after, before)[::-1]
    ),
    "These are the rewards of the edited texts. Subtract those of the originals.": _with(_of_edited),
    "The model scored in training mode, where dropout adds noise. Call `model.eval()` first.": _with(
        _of_differences(), mode=None
    ),
    "Gradients were being recorded. Score under `torch.no_grad()`.": _with(_of_differences(), tracked=True),
    "The model scored in training mode and gradients were being recorded.": _with(
        _of_differences(), mode=None, tracked=True
    ),
}


def _read(value: object, arguments: tuple) -> Outcome:
    if isinstance(value, Tensor) and value.dim() == 1 and len(value) == 2:
        value = tuple(value)
    if type(value) not in (tuple, list) or len(value) != 2:
        raise Mistake("two numbers, (mean, standard_error)", describe(value))
    names = ("the mean", "the standard error")
    return {
        name: torch.tensor(as_number(number, name), dtype=torch.float64)
        for name, number in zip(names, value, strict=True)
    }


def _check(subject: Subject, *calls: tuple[Probe, Tensor, Tensor]) -> None:
    expect_like(subject, right_effect, EFFECT_MISTAKES, calls, _read, rtol=1e-4, atol=1e-5)


def _texts(draw: torch.Generator, n: int, seq_len: int = 8) -> Tensor:
    return torch.randint(VOCABULARY, (n, seq_len), generator=draw)


def _edited(draw: torch.Generator, texts: Tensor, changed: int) -> Tensor:
    """So many tokens of each text replaced, so that a text and its edit have much in common."""
    edited = texts.clone()
    edited[:, :changed] = torch.randint(VOCABULARY, (len(texts), changed), generator=draw)
    return edited


@counterfactual_effect.case("texts and their edits", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = []
    for n, changed in ((60, 2), (9, 1), (2, 8)):
        texts = _texts(draw, n)
        calls.append((probe_model(draw, VOCABULARY, most=50 * changed), texts, _edited(draw, texts, changed)))
    _check(subject, *calls)


@counterfactual_effect.case("longer edits, and rewards far from 0", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    model, texts = probe_model(draw, VOCABULARY), _texts(draw, 33)
    longer = torch.cat([texts, _texts(draw, 33)], dim=1)
    far = probe_model(draw, VOCABULARY)
    far.data["tables"] = {name: table + 10_000 for name, table in far.data["tables"].items()}
    _check(subject, (model, texts, longer), (far, texts, _edited(draw, texts, 3)))


@counterfactual_effect.case("evaluation mode, and the mode put back", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    for training in (True, False):
        differ = ("train_mode", "train_mode_with_gradients")
        model = probe_model(draw, VOCABULARY, differ=differ, training=training)
        texts = _texts(draw, 24)
        call = (model, texts, _edited(draw, texts, 2))
        _check(subject, call)
        expect_mode_put_back(subject.call(*call).arguments[0], model)


@counterfactual_effect.case("no gradients, nothing changed", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    differ = ("train_mode_with_gradients", "eval_mode_with_gradients")
    model, texts = probe_model(draw, VOCABULARY, differ=differ), _texts(draw, 24)
    call = (model, texts, _edited(draw, texts, 2))
    _check(subject, call)
    expect_untouched(subject.call(*call).arguments[0], model)
