"""Frames of JSON and raw tensor bytes: plain data to bytes, and bytes to plain data.

A worker runs a student's code, so whatever it sends may be forged. Decoding therefore makes plain data
only: numbers, strings, lists, tuples, dicts, tensors of allowed dtypes, and Opaque. Nothing is unpickled,
no name that a peer chose is looked up, and every length is checked before memory is set aside.

A frame is two unsigned 32-bit lengths, a JSON text, and the bytes of all tensors one after the other.
In the JSON, a number, string, None or list stands for itself; everything else is {kind: content}. A list of
like dicts goes column by column, and a column of like tensors as one: data sets send hundreds of both.
"""

import json
import math
import struct
from builtins import all, dict, isinstance, len, list, str, tuple, type, zip  # noqa: UP029  (a student's code may replace them)

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
    except (TypeError, ValueError, RecursionError) as error:
        raise ProtocolError(f"not plain data: {error}") from None
    body = b"".join(tensors)
    if len(text) + len(body) > MAX_FRAME:
        raise ProtocolError(f"a message of {len(text) + len(body)} bytes, more than {MAX_FRAME}")
    return LENGTHS.pack(len(text), len(body)) + text + body


def decode(text: bytes | bytearray, body: bytearray) -> object:
    """The message in a frame.

    Raises:
        ProtocolError: it is malformed.
    """
    try:
        message, end = _from_json(json.loads(text), body, 0)
    except ProtocolError:
        raise
    # Whatever a forged frame makes these lines stumble over, it is a malformed message and nothing else.
    except Exception as error:
        raise ProtocolError(f"a malformed message ({type(error).__name__})") from None
    if end != len(body):
        raise ProtocolError("a malformed message (bytes left over)")
    return message


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
        flat = value.detach().cpu().contiguous().reshape(-1)
        if flat.numel():
            raw = flat.view(torch.uint8).numpy().tobytes()
            tensors.append(raw.ljust(_padded(len(raw)), b"\0"))
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


def _from_json(value: object, body: bytearray, start: int) -> tuple[object, int]:
    """The value, and where in the body its tensors end."""
    if value is None or type(value) in (bool, int, float):
        return value, start
    if type(value) is str:
        return _text(value), start
    if type(value) is list:
        return _items(value, body, start)
    ((kind, content),) = value.items()
    if kind == "tensor":
        return _tensor(content, body, start)
    if kind == "stack":
        stacked, start = _tensor(content, body, start)
        if stacked.nbytes < MIN_STACKED * len(stacked):
            raise ProtocolError("a malformed message (a stack of small tensors)")
        return list(stacked.unbind()), start
    if kind == "rows":
        columns, start = _items([column for _, column in content], body, start)
        names = _keys(content)
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)], start
    if kind == "tuple":
        items, start = _items(content, body, start)
        return tuple(items), start
    if kind == "dict":
        items, start = _items([item for _, item in content], body, start)
        return dict(zip(_keys(content), items, strict=True)), start
    if kind == "opaque":
        return Opaque(_text(content)[:200]), start
    if kind == "probe":
        data, start = _from_json(content[1], body, start)
        return Probe(_text(content[0]), data), start
    if kind == "failure":
        return Failure(*(_text(part)[:1000] for part in content)), start
    if kind == "reply":
        (result, failure, arguments, printed), start = _items(content, body, start)
        if not (isinstance(failure, Failure | None) and type(arguments) is tuple and type(printed) is str):
            raise ProtocolError("a malformed message (a reply of the wrong form)")
        return Reply(result, failure, arguments, printed), start
    raise ProtocolError("a malformed message (unknown kind)")


def _keys(pairs: list) -> list:
    keys = [_text(key) if type(key) is str else key for key, _ in pairs]
    if not all(type(key) in (str, int) for key in keys):
        raise ProtocolError("a malformed message (a key is neither text nor a whole number)")
    return keys


def _items(values: list, body: bytearray, start: int) -> tuple[list, int]:
    items = []
    for value in values:
        item, start = _from_json(value, body, start)
        items.append(item)
    return items, start


def _tensor(content: list, body: bytearray, start: int) -> tuple[torch.Tensor, int]:
    name, shape, requires_grad = content
    dtype = DTYPES[name]
    if len(shape) > MAX_DIMENSIONS or not all(type(size) is int and size >= 0 for size in shape):
        raise ProtocolError("a malformed message (the shape of a tensor)")
    count = math.prod(shape)
    end = start + _padded(count * dtype.itemsize)
    if end > len(body):
        raise ProtocolError("a malformed message (a tensor with too few bytes)")
    if count == 0:
        tensor = torch.empty(shape, dtype=dtype)
    elif dtype is torch.bool:
        # A bool of any other byte than 0 and 1 is undefined behaviour inside torch.
        tensor = torch.frombuffer(body, dtype=torch.uint8, count=count, offset=start).reshape(shape) != 0
    else:
        tensor = torch.frombuffer(body, dtype=dtype, count=count, offset=start).reshape(shape)
    if requires_grad is True and dtype.is_floating_point:
        tensor.requires_grad_(True)
    return tensor, end


def _padded(size: int) -> int:
    """Tensors start at multiples of 8 bytes, where every dtype is aligned."""
    return -(-size // 8) * 8


def _text(text: str) -> str:
    """Text that can be written to any file and shown in any terminal."""
    if type(text) is not str:
        raise ProtocolError("a malformed message (text expected)")
    if text.isascii() and text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text)
