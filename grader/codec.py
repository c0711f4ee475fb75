"""From plain data to the bytes of a frame. `decoder.py` goes the other way.

A frame is two unsigned 32-bit lengths, a JSON text, and the bytes of all tensors one after the other.
In the JSON, a number, string, None or list stands for itself; everything else is {kind: content}. A list of
like dicts goes column by column, and a column of like tensors as one: data sets send hundreds of both.
"""

import json
import struct
from builtins import all, dict, isinstance, len, list, str, tuple, type  # noqa: UP029  (a student's code may replace them)

import torch

from reward_lab.checks.probes import Probe
from reward_lab.checks.subject import Failure, Reply
from reward_lab.checks.values import Opaque

MAX_FRAME = 16 * 2**20
"""Bytes of a whole frame, in either direction."""
MAX_DIMENSIONS = 16
MIN_STACKED = 16
"""Bytes of a tensor that may travel in a stack. Smaller ones would let a short frame make millions of objects."""
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
        torch.float16, torch.bfloat16, torch.float32, torch.float64,
    )
}  # fmt: skip
LENGTHS = struct.Struct("!II")
"""What a frame starts with: the bytes of its JSON, and those of its tensors."""


class ProtocolError(Exception):
    """The peer sent something that is no message, or closed the channel."""


def encode(message: object) -> bytes:
    """A whole frame.

    Raises:
        ProtocolError: too long, or not plain data.
    """
    tensors: list[bytes] = []
    try:
        text = json.dumps(_to_json(message, tensors), separators=(",", ":")).encode("ascii")
    except Exception as error:  # whatever a student's tensor makes torch stumble over
        raise ProtocolError(f"not plain data ({type(error).__name__}: {error})") from None
    body = b"".join(tensors)
    if len(text) + len(body) > MAX_FRAME:
        raise ProtocolError(f"a message of {len(text) + len(body)} bytes, more than {MAX_FRAME}")
    return LENGTHS.pack(len(text), len(body)) + text + body


def _to_json(value: object, tensors: list[bytes]) -> object:
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is list:
        if _are_like_tensors(value):
            return {"stack": _to_json(torch.stack(value), tensors)["tensor"]}
        if _are_like_dicts(value):
            return {"rows": [[key, _to_json([row[key] for row in value], tensors)] for key in value[0]]}
        return [_to_json(item, tensors) for item in value]
    if kind is tuple:
        return {"tuple": [_to_json(item, tensors) for item in value]}
    if kind is dict:
        return {"dict": [[key, _to_json(item, tensors)] for key, item in value.items()]}
    if isinstance(value, torch.Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        if dtype not in DTYPES or value.is_meta:
            return {"opaque": f"Tensor of dtype {dtype}" + (" on the meta device" if value.is_meta else "")}
        if value.numel():
            raw = _raw(value)
            tensors.append(raw.ljust(padded(len(raw)), b"\0"))
        return {"tensor": [dtype, list(value.shape), value.requires_grad]}
    if isinstance(value, Opaque):
        return {"opaque": value.type_name}
    if isinstance(value, Probe):
        return {"probe": [value.recipe, _to_json(value.data, tensors)]}
    if isinstance(value, Failure):
        return {"failure": [value.type_name, value.message, value.where]}
    if isinstance(value, Reply):
        fields = (value.value, value.failure, value.arguments, value.printed)
        return {"reply": [_to_json(field, tensors) for field in fields]}
    raise TypeError(f"{kind.__name__} can't be sent")


def _raw(tensor: torch.Tensor) -> bytes:
    """The elements in order, whatever the strides."""
    flat = tensor.detach().cpu().reshape(-1)
    if flat.stride() != (1,) or flat.is_neg():
        # `contiguous()` leaves the stride of one element as it is, 0 or 3 perhaps, and such a view as bytes raises.
        flat = torch.empty(flat.shape, dtype=flat.dtype).copy_(flat)
    return flat.view(torch.uint8).numpy().tobytes()


def _are_like_tensors(values: list) -> bool:
    if len(values) < 2 or type(values[0]) is not torch.Tensor:
        return False
    first = values[0]
    if str(first.dtype).removeprefix("torch.") not in DTYPES or first.is_meta:
        return False
    alike = all(
        type(v) is torch.Tensor and v.dtype == first.dtype and v.shape == first.shape and not v.requires_grad
        for v in values
    )
    return alike and first.nbytes >= MIN_STACKED and first.dim() < MAX_DIMENSIONS


def _are_like_dicts(values: list) -> bool:
    return len(values) > 1 and all(type(v) is dict and v and v.keys() == values[0].keys() for v in values)


def padded(size: int) -> int:
    """Tensors start at multiples of 8 bytes, where every dtype is aligned."""
    return -(-size // 8) * 8
