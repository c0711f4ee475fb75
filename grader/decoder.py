"""From the bytes of a frame to plain data. What a forged frame can make of it is plain data, or a ProtocolError.

A worker runs a student's code, so whatever it sends may be forged. Decoding therefore makes plain data
only: numbers, strings, lists, tuples, dicts, tensors of allowed dtypes, and Opaque. Nothing is unpickled,
no name that the peer chose is looked up, and every length is checked before memory is set aside.
"""

import json
import math
from builtins import all, dict, isinstance, len, list, str, tuple, type, zip  # noqa: UP029  (a student's code may replace them)

import torch

from reward_lab.checks.probes import Probe
from reward_lab.checks.subject import Failure, Reply
from reward_lab.checks.values import Opaque

from .codec import DTYPES, MAX_DIMENSIONS, MIN_STACKED, ProtocolError, padded

MAX_KEY = 1000
"""Letters of a dict's key."""
MAX_FAILURE = 1000
MAX_TYPE_NAME = 200
_MALFORMED = "a malformed message"


def decode(text: bytes | bytearray, body: bytearray, from_worker: bool = True) -> object:
    """The message in a frame.

    Args:
        text: its JSON.
        body: the bytes of its tensors.
        from_worker: clean its texts for files and terminals. What the verifier sends, a student's source
            among it, arrives as it was.

    Raises:
        ProtocolError: it is malformed. The error says no more than that: its words may reach a student.
    """
    decoder = _Decoder(body, from_worker)
    try:
        message = decoder.value(json.loads(text))
    # Whatever a forged frame makes these lines stumble over, it is a malformed message and nothing else.
    except Exception:
        raise ProtocolError(_MALFORMED) from None
    if decoder.start != len(body):
        raise ProtocolError(_MALFORMED)
    return message


class _Decoder:
    """Takes tensors from `body` in the order in which the JSON names them; `start` is where the next one begins."""

    def __init__(self, body: bytearray, from_worker: bool):
        self.body, self.start = body, 0
        self._text = clean if from_worker else _as_it_is

    def value(self, value: object) -> object:
        if value is None or type(value) in (bool, int, float):
            return value
        if type(value) is str:
            return self._text(value)
        if type(value) is list:
            return self._items(value)
        ((kind, content),) = value.items()
        return _KINDS[kind](self, content)

    def _items(self, values: list) -> list:
        return [self.value(value) for value in values]

    def _stack(self, content: list) -> list[torch.Tensor]:
        stacked = self._tensor(content)
        if stacked.nbytes < MIN_STACKED * len(stacked):
            raise ProtocolError(_MALFORMED)
        return list(stacked.unbind())

    def _rows(self, content: list) -> list[dict]:
        columns = self._items([column for _, column in content])
        names = self._keys(content)
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _tuple(self, content: list) -> tuple:
        return tuple(self._items(content))

    def _dict(self, content: list) -> dict:
        items = self._items([item for _, item in content])
        return dict(zip(self._keys(content), items, strict=True))

    def _opaque(self, content: str) -> Opaque:
        return Opaque(clean(content)[:MAX_TYPE_NAME])

    def _probe(self, content: list) -> Probe:
        recipe, data = content
        return Probe(self._text(recipe), self.value(data))

    def _failure(self, content: list) -> Failure:
        type_name, message, where = (clean(part)[:MAX_FAILURE] for part in content)
        return Failure(type_name, message, where)

    def _reply(self, content: list) -> Reply:
        result, failure, arguments, printed = self._items(content)
        if not (isinstance(failure, Failure | None) and type(arguments) is tuple and type(printed) is str):
            raise ProtocolError(_MALFORMED)
        return Reply(result, failure, arguments, printed)

    def _keys(self, pairs: list) -> list:
        keys = [self._text(key) if type(key) is str else key for key, _ in pairs]
        if not all(type(key) is int or (type(key) is str and len(key) <= MAX_KEY) for key in keys):
            raise ProtocolError(_MALFORMED)
        return keys

    def _tensor(self, content: list) -> torch.Tensor:
        name, shape, requires_grad = content
        dtype, start = DTYPES[name], self.start
        if len(shape) > MAX_DIMENSIONS or not all(type(size) is int and size >= 0 for size in shape):
            raise ProtocolError(_MALFORMED)
        count = math.prod(shape)
        self.start = start + padded(count * dtype.itemsize)
        if self.start > len(self.body):
            raise ProtocolError(_MALFORMED)
        if count == 0:
            tensor = torch.empty(shape, dtype=dtype)
        elif dtype is torch.bool:
            # A bool of any other byte than 0 and 1 is undefined behaviour inside torch.
            tensor = (
                torch.frombuffer(self.body, dtype=torch.uint8, count=count, offset=start).reshape(shape) != 0
            )
        else:
            tensor = torch.frombuffer(self.body, dtype=dtype, count=count, offset=start).reshape(shape)
        if requires_grad is True and dtype.is_floating_point:
            tensor.requires_grad_(True)
        return tensor


_KINDS = {
    "tensor": _Decoder._tensor, "stack": _Decoder._stack, "rows": _Decoder._rows, "tuple": _Decoder._tuple,
    "dict": _Decoder._dict, "opaque": _Decoder._opaque, "probe": _Decoder._probe, "failure": _Decoder._failure,
    "reply": _Decoder._reply,
}  # fmt: skip
"""The kinds of content there are, and what makes each."""


def clean(text: str) -> str:
    """Text that can be written to any file and shown in any terminal."""
    if _as_it_is(text).isascii() and text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text)


def _as_it_is(text: str) -> str:
    if type(text) is not str:
        raise ProtocolError(_MALFORMED)
    return text
