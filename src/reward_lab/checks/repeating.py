"""A call as code that the student can run to see a failed case again."""

import math

import torch

MAX_LETTERS = 300
"""Letters of a call that is worth showing."""


def call_as_code(name: str, arguments: tuple) -> str:
    """`name(arguments)` as Python; "" if an argument is no plain value, or the call has more than MAX_LETTERS letters.

    Args:
        name: of what is called.
        arguments: tensors, numbers, texts, None, and lists, tuples and dicts of them.
    """
    try:
        code = f"{name}({', '.join(map(_code, arguments))})"
    except TypeError:
        return ""
    return code if len(code) <= MAX_LETTERS else ""


def _code(value: object) -> str:
    if isinstance(value, torch.Tensor):
        if value.numel() > MAX_LETTERS:
            raise TypeError("too large")
        kept = value.dtype in (torch.float32, torch.int64, torch.bool) and value.numel() > 0
        dtype = "" if kept else f", dtype={value.dtype}"
        return f"torch.tensor({_code(value.detach().cpu().tolist())}{dtype})"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if value is None or type(value) in (bool, int, float, str):
        return repr(value)
    if type(value) in (list, tuple):
        inside = ", ".join(map(_code, value))
        return f"[{inside}]" if type(value) is list else f"({inside}{',' if len(value) == 1 else ''})"
    if type(value) is dict:
        return "{" + ", ".join(f"{_code(key)}: {_code(item)}" for key, item in value.items()) + "}"
    raise TypeError("not a plain value")
