"""Plain data: the only thing that passes between a check and a student's object.

Tensors, numbers, strings, None, and lists, tuples and dicts of them. Everything else is reduced to the
name of its type, so that no object a student made is ever asked to compare, print or convert itself
inside a check. An `__eq__` that always agrees is thus never called.
"""

from builtins import all, dict, isinstance, len, list, tuple, type  # noqa: UP029  (a student's code may replace them)
from collections import OrderedDict, defaultdict
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

MAX_ITEMS = 100_000
MAX_DEPTH = 8


@dataclass(frozen=True)
class Opaque:
    """Something that is not plain data. Only its type's name is known."""

    type_name: str


def plain(value: object, depth: int = 0) -> object:
    """A copy of `value` as plain data, with an Opaque in place of all that is not.

    Tensors keep their shape, dtype, device and `requires_grad`, and lose their graph. A NumPy scalar
    becomes the Python number, a namedtuple the tuple. Types are compared exactly: a subclass can redefine any operation.
    """
    kind = type(value)
    if _is_namedtuple(kind):
        # Its own `__iter__` and `__len__`, if it has any, are not asked.
        value, kind = tuple(tuple.__iter__(value)), tuple
    if value is None or kind in (bool, int, float, str):
        return value
    if kind in (torch.Tensor, nn.Parameter) and value.layout is torch.strided:
        copy = value.detach().clone()
        return copy.requires_grad_() if value.requires_grad else copy
    if kind.__module__ == "numpy" and isinstance(value, np.generic):
        number = value.item()
        return number if type(number) in (bool, int, float, str) else Opaque(_type_name(kind))
    if (
        kind in (list, tuple, dict, OrderedDict, defaultdict)
        and depth < MAX_DEPTH
        and len(value) <= MAX_ITEMS
    ):
        if kind in (list, tuple):
            return kind(plain(item, depth + 1) for item in value)
        if all(type(key) in (str, int) for key in value):
            return {key: plain(item, depth + 1) for key, item in value.items()}
    return Opaque(_type_name(kind))


def _is_namedtuple(kind: type) -> bool:
    """Whether a class was made by `collections.namedtuple` or `typing.NamedTuple`, and not subclassed since."""
    return type(kind) is type and kind.__bases__ == (tuple,) and type(kind.__dict__.get("_fields")) is tuple


def _type_name(kind: type) -> str:
    return (
        kind.__name__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__name__}"
    )


def same(a: object, b: object) -> bool:
    """Whether two plain values are equal in type, dtype, shape and every element (NaN equals NaN)."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return (
            a.dtype == b.dtype
            and a.shape == b.shape
            and torch.allclose(
                a.detach().cpu().double(), b.detach().cpu().double(), rtol=0, atol=0, equal_nan=True
            )
        )
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b or (a != a and b != b)


def describe(value: object) -> str:
    """A few words for a student: what this plain value is."""
    if value is None:
        return "None (is a `return` missing?)"
    if isinstance(value, Opaque):
        return f"an object of type {value.type_name}"
    if isinstance(value, torch.Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        if value.dim() == 0:
            tracked = " that still requires gradients" if value.requires_grad else ""
            return f"a 0-dim {dtype} tensor{tracked}, {number_text(value.item())}"
        return f"a {dtype} tensor of shape {tuple(value.shape)}"
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, dict):
        return "a dict with " + (", ".join(f"`{key}`" for key in list(value)[:8]) if value else "no keys")
    return f"the {type(value).__name__} {value!r:.80}"


def number_text(number: float) -> str:
    """A number as students read it: four significant decimals, no exponent where none is needed."""
    number += 0.0  # -0.0 becomes 0.0
    return f"{number:.4f}" if 1e-3 <= abs(number) < 1e6 or number == 0 else f"{number:.4g}"


def number_texts(right: float, got: float) -> tuple[str, str]:
    """Two numbers that differ, with so many digits that they can be told apart; whole ones without any."""
    if all(float(number).is_integer() and abs(number) < 1e6 for number in (right, got)):
        return f"{right:.0f}", f"{got:.0f}"
    texts = number_text(right), number_text(got)
    return texts if texts[0] != texts[1] else (f"{right:.10f}", f"{got:.10f}")
