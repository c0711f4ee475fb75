"""Judging a loss: its value, and its gradient with respect to every argument that asks for one."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reward_lab.checks.exercise import Mistake
from reward_lab.checks.numbers import close
from reward_lab.checks.subject import LocalSubject, Subject
from reward_lab.checks.values import describe, number_text

Loss = Callable[..., Tensor]
Judged = tuple[float, list[Tensor | None]]
"""A value, and the gradient of each argument that requires one (None: it does not depend on it)."""

VALUE_TOLERANCE, GRADIENT_TOLERANCE = 1e-5, 1e-4


def check_loss(
    subject: Subject, calls: Sequence[tuple], right: Loss, mistakes: dict[str, Loss], names: Sequence[str]
) -> None:
    """Compare value and gradients of several calls with the right ones, then with the usual wrong ones.

    Args:
        subject: the student's loss.
        calls: argument tuples. Tensors that require gradients get theirs compared.
        right: the package's own loss.
        mistakes: sentence -> a loss with that mistake. It is named only when it explains every call.
        names: of the arguments, for the messages.
    """
    got = [_judged(subject.differentiate(*call).value, call, names) for call in calls]
    expected = [_of(right, call, subject.device) for call in calls]
    pairs = list(zip(got, expected, strict=True))
    if all(_agree(*pair) for pair in pairs):
        return
    likely = None
    for said, mistake in mistakes.items():
        wrong = [_of(mistake, call, subject.device) for call in calls]
        if all(_agree(*pair) for pair in zip(got, wrong, strict=True)):
            likely = said
            break
    number = next(i for i, pair in enumerate(pairs) if not _agree(*pair))
    raise Mistake(*_difference(*pairs[number], calls[number], names), likely)


def _judged(value: tuple, call: tuple, names: Sequence[str]) -> Judged:
    result, gradients = value
    if not isinstance(result, Tensor) or result.dim() != 0 or not result.is_floating_point():
        likely = None
        if isinstance(result, Tensor) and result.dim() > 0:
            likely = "One number is asked for, not one per row: take the mean."
        elif type(result) is float:
            likely = "Training needs the tensor, with its graph: leave out `.item()` and `float()`."
        raise Mistake("a 0-dim tensor that can be differentiated", describe(result), likely)
    if gradients is None:
        raise Mistake(
            "a 0-dim tensor that can be differentiated",
            "one without a graph",
            "Training goes backward from the loss: no `.detach()`, `.item()`, `torch.tensor(...)` or `no_grad`.",
        )
    return result.item(), [None if g is None else g.cpu().double() for g in gradients]


def _of(loss: Loss, call: tuple, device: str) -> Judged | None:
    value = LocalSubject(loss, device).differentiate(*call).value
    if value is None or value[1] is None or not isinstance(value[0], Tensor):
        return None
    return value[0].item(), [None if g is None else g.cpu().double() for g in value[1]]


def _agree(a: Judged, b: Judged | None) -> bool:
    if b is None:
        return False
    same_value = close(a[0], b[0], VALUE_TOLERANCE) or (a[0] != a[0] and b[0] != b[0])
    return same_value and all(map(_same_gradient, a[1], b[1]))


def _same_gradient(a: Tensor | None, b: Tensor | None) -> bool:
    if a is None or b is None:
        other = b if a is None else a
        return other is None or not other.any()
    if a.shape != b.shape:
        return False
    size = b.nan_to_num(posinf=0, neginf=0).abs().max().item()
    return torch.allclose(a, b, rtol=0, atol=GRADIENT_TOLERANCE * size + 1e-9, equal_nan=True)


def _difference(got: Judged, right: Judged, call: tuple, names: Sequence[str]) -> tuple[str, str]:
    """What was expected and what came, in words: the value, or else the first gradient that differs."""
    if not close(got[0], right[0], VALUE_TOLERANCE):
        return number_text(right[0]), number_text(got[0])
    asked = [name for name, a in zip(names, call, strict=True) if isinstance(a, Tensor) and a.requires_grad]
    for name, mine, theirs in zip(asked, got[1], right[1], strict=True):
        if not _same_gradient(mine, theirs):
            if mine is None or not mine.any():
                return (
                    f"{number_text(right[0])} and a gradient on `{name}`",
                    "the value without that gradient",
                )
            if not mine.isfinite().all():
                return (
                    f"a finite gradient on `{name}`",
                    "the right value, with NaN or infinity in the gradient",
                )
            return f"the gradient of the loss on `{name}`", "the right value with another gradient"
    return number_text(right[0]), number_text(got[0])


def margins(draw: torch.Generator, n: int, scale: float = 2.0, dtype: torch.dtype = torch.float32) -> Tensor:
    """(n,) margins around 0.5, so that no sign is as good as the other."""
    return (torch.randn(n, generator=draw, dtype=dtype) * scale + 0.5).requires_grad_()


def rate(draw: torch.Generator, low: float = 0.05, high: float = 0.4) -> float:
    """A rate with three decimals."""
    return round(low + (high - low) * torch.rand((), generator=draw).item(), 3)
