"""Take numbers out of replies, and compare them with the right ones and the usual wrong ones."""

import math
from collections.abc import Iterable, Mapping

import torch

from .exercise import Mistake
from .naming import named
from .values import describe, number_texts


def as_number(value: object, what: str = "a number") -> float:
    """The float in a Python float, a NumPy scalar or a 0-dim tensor; anything else is a Mistake."""
    if type(value) in (int, float):
        return float(value)
    if isinstance(value, torch.Tensor) and value.dim() == 0 and value.dtype != torch.bool:
        if not value.requires_grad:
            return float(value)
        raise Mistake(what, describe(value), "Take the number out of the tensor with .item().")
    likely = None
    if isinstance(value, torch.Tensor) and value.dim() > 0:
        likely = "One number is asked for, not one per pair: reduce over the pairs."
    elif type(value) is bool or (isinstance(value, torch.Tensor) and value.dtype == torch.bool):
        likely = "A bool says whether one thing is so; the share of pairs is asked for."
    raise Mistake(what, describe(value), likely)


def close(a: float, b: float, tolerance: float) -> bool:
    """Whether two numbers agree to an absolute and relative tolerance. NaN agrees with nothing, infinity with itself."""
    return a == b or (math.isfinite(b) and abs(a - b) <= tolerance * max(1.0, abs(b)))


def expect_numbers(
    got: list,
    expected: list[float],
    usual_mistakes: Mapping[str, list[float]] | Iterable[tuple[str, list[float]]],
    tolerance: float = 1e-6,
) -> None:
    """Compare the numbers of several calls with the right ones, then with the usual wrong ones.

    Args:
        got: plain data from the student, one value a call.
        expected: the right values.
        usual_mistakes: sentence -> the values that this mistake gives, or pairs of the two. A mistake is named only when it
            explains every call; where two or three do, they are said as alternatives.
        tolerance: absolute below 1, relative above.
    """
    numbers = [as_number(value) for value in got]

    def agree(others: list[float]) -> bool:
        return all(close(a, b, tolerance) for a, b in zip(numbers, others, strict=True))

    if agree(expected):
        return
    mistakes = usual_mistakes.items() if isinstance(usual_mistakes, Mapping) else usual_mistakes
    likely = named(said for said, wrong in mistakes if agree(wrong))
    number, right = next(pair for pair in zip(numbers, expected, strict=True) if not close(*pair, tolerance))
    raise Mistake(*number_texts(right, number), likely)
