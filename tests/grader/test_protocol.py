"""Frames carry plain data unchanged, and a forged frame is an error and nothing else."""

import json
import random
import socket
import struct
import time

import pytest
import torch

from grader.codec import MAX_FRAME, ProtocolError, encode
from grader.decoder import decode
from grader.protocol import Channel, TimeLimit, until
from reward_lab.checks.probes import Probe
from reward_lab.checks.subject import Failure, Reply
from reward_lab.checks.values import Opaque, same

VALUES = [
    None, True, 3, -2.5, "text é", [], [1, [2, (3,)]], (), {"a": {"b": [1]}}, {1: 2}, Opaque("Thing"),
    torch.tensor(1.5), torch.arange(6).reshape(2, 3), torch.zeros(0, 4), torch.tensor([True, False]),
    torch.randn(3, dtype=torch.float64, requires_grad=True), torch.randn(5).bfloat16(), torch.tensor(7, dtype=torch.uint8),
    [torch.zeros(1, dtype=torch.int8), torch.ones(3)], [torch.arange(3), torch.arange(3, 6)], [torch.zeros(1)] * 3,
    [{"a": torch.arange(4), "b": 1}, {"b": "x", "a": torch.ones(4)}], [{"a": 1}, {"b": 1}], [{}, {}],
    {"x": torch.full((2, 2), float("nan"))},
]  # fmt: skip


def parts(frame):
    header, body = struct.unpack("!II", frame[:8])
    return frame[8 : 8 + header], bytearray(frame[8 + header : 8 + header + body])


@pytest.mark.parametrize("value", VALUES, ids=map(str, range(len(VALUES))))
def test_plain_data_crosses_unchanged(value):
    back = decode(*parts(encode(value)))
    assert back == value if isinstance(value, Opaque) else same(back, value)
    if isinstance(value, torch.Tensor):
        assert back.requires_grad == value.requires_grad


def test_replies_failures_and_probes_cross_too():
    reply = Reply(1.5, Failure("E", "message", "line 3"), (torch.ones(2), None), "printed")
    back = decode(*parts(encode(reply)))
    assert (back.value, back.failure, back.printed) == (reply.value, reply.failure, reply.printed)
    assert decode(*parts(encode(Probe("sgd", {"model": 0, "lr": 0.5})))) == Probe(
        "sgd", {"model": 0, "lr": 0.5}
    )


def test_a_worker_can_not_claim_to_speak_for_the_grader():
    frame = encode(Reply(failure=Failure("E", "m", "", of_grader=True)))
    assert decode(*parts(frame)).failure.of_grader is False


def test_a_short_frame_can_not_claim_a_stack_of_millions():
    for content in (["uint8", [2**20], False], ["int64", [10**9, 0], False], ["float32", [], False]):
        text = json.dumps({"stack": content}).encode()
        with pytest.raises(ProtocolError):
            decode(text, bytearray(2**20))


def test_what_is_not_plain_or_too_long_is_not_sent():
    for value in (object(), {1.5: 2}.keys(), b"bytes", torch.zeros(MAX_FRAME)):
        with pytest.raises(ProtocolError):
            encode(value)
    assert decode(*parts(encode(torch.zeros(2, dtype=torch.complex64)))) == Opaque(
        "Tensor of dtype complex64"
    )


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[1", '{"unknown": 1}', '{"a": 1, "b": 2}', "{}", '{"tensor": ["float32", [4], false]}',
        '{"tensor": ["float32", [-1], false]}', '{"tensor": ["float32", [99999999999, 99999999999], false]}',
        '{"tensor": ["__import__", [0], false]}', '{"tensor": [["x"], [0], false]}', '{"tensor": ["float32", [1.5], false]}',
        '{"dict": [[[1], 2]]}', '{"dict": [[1]]}', '{"reply": [1]}', '{"reply": [1, 2, {"tuple": []}, ""]}',
        '{"failure": [1, 2, 3]}', '{"probe": [1, 2]}', '{"opaque": 3}', "[" * 100_000, '{"dict": [[null, 1]]}', "NaN1",
        '{"tensor": ["float32", ' + json.dumps([1] * 50) + ", false]}",
    ],
)  # fmt: skip
def test_a_malformed_text_is_a_protocol_error(text):
    with pytest.raises(ProtocolError):
        decode(text.encode(), bytearray())


def test_bytes_left_over_are_an_error():
    with pytest.raises(ProtocolError, match="malformed"):
        decode(b"1", bytearray(8))


def test_random_bytes_in_a_frame_are_an_error_or_plain_data():
    rng = random.Random(0)
    whole = encode({"reply": [torch.ones(3), (1, "x"), {"k": [2.5]}]})
    text, body = parts(whole)
    for _ in range(3000):
        damaged = bytearray(text)
        for _ in range(rng.choice([1, 2, 8])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            decode(damaged, bytearray(body))
        except ProtocolError:
            continue


@pytest.fixture
def channel_and_peer():
    ours, theirs = socket.socketpair()
    yield Channel(ours), theirs
    ours.close()
    theirs.close()


def test_a_claim_of_four_gigabytes_is_refused_before_memory_is_set_aside(channel_and_peer):
    channel, peer = channel_and_peer
    peer.send(struct.pack("!II", 2**32 - 1, 2**32 - 1))
    with pytest.raises(ProtocolError, match="too long"):
        channel.receive(until(time.monotonic() + 5))


def test_a_peer_that_drips_bytes_meets_the_deadline(channel_and_peer):
    channel, peer = channel_and_peer
    peer.send(b"\0\0")
    start = time.monotonic()
    with pytest.raises(TimeLimit):
        channel.receive(until(start + 0.3))
    assert time.monotonic() - start < 2


def test_a_peer_that_does_not_read_meets_the_deadline(channel_and_peer):
    channel, _ = channel_and_peer
    with pytest.raises(TimeLimit):
        channel.send(torch.zeros(2**21), watch=until(time.monotonic() + 0.3))


def test_a_closed_channel_is_a_protocol_error(channel_and_peer):
    channel, peer = channel_and_peer
    peer.close()
    with pytest.raises(ProtocolError, match="closed"):
        channel.receive(until(time.monotonic() + 5))


def test_control_characters_of_a_reply_never_reach_a_terminal():
    assert "\x1b" not in decode(*parts(encode("\x1b[31mred \ud800"))) and "red" in decode(
        *parts(encode("\x1b red"))
    )


def test_what_is_sent_to_a_worker_arrives_byte_for_byte():
    ours, theirs = socket.socketpair()
    for text in (
        "a\r\nb\rc\n",
        "\f\x0b\t",
        "a\u00a0b\u2028\u2029\ufeff",
        "\x00\x1b[31m",
        "\U0001f600 \ud800 \udfff",
        "日本é",
    ):
        Channel(ours).send({"op": "run", "source": text, text: [text]})
        message, _ = Channel(theirs).receive_with_descriptors()
        assert message == {"op": "run", "source": text, text: [text]}
    ours.close()
    theirs.close()


def odd_tensors():
    """Tensors that are laid out in ways that a view as bytes does not take."""
    k1, k2, k3 = torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([3.0])
    scalar = torch.tensor(2.0, requires_grad=True)
    wide = torch.arange(12.0).reshape(3, 4)
    (gradient,) = torch.autograd.grad(scalar.expand(1).sum() * 3, scalar)
    yield from torch.stack([k1, k2, k3], dim=-1).unbind(-1)
    yield gradient.expand(1)
    yield torch.tensor(5.0).expand(1, 1, 1)
    yield torch.tensor(5.0).expand(4, 3)
    yield wide.t()
    yield wide[:, ::2]
    yield wide[1:2, 3:4]
    yield wide[:, 1]
    yield torch.empty_strided((1,), (0,)).fill_(7)
    yield torch.empty_strided((1, 1), (5, 9), dtype=torch.int8).fill_(7)
    yield torch.as_strided(torch.arange(6.0), (2, 2), (1, 1))
    yield torch.arange(4.0).mul(1j).conj().imag  # carries its sign as a mark
    yield torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last)
    yield torch.tensor([True, False])[1:2].expand(3)
    yield torch.zeros(0, 3).t()


@pytest.mark.parametrize("tensor", list(odd_tensors()), ids=lambda t: f"{tuple(t.shape)} {t.stride()}")
def test_a_tensor_of_any_layout_crosses(tensor):
    for value in (tensor, [tensor, tensor], {"a": tensor}):
        back = decode(*parts(encode(value)))
        assert same(back, decode(*parts(encode(value))))
        first = back if isinstance(back, torch.Tensor) else back[0] if isinstance(back, list) else back["a"]
        assert first.shape == tensor.shape and torch.equal(first, tensor.detach().resolve_neg())


def test_whatever_the_encoder_meets_is_a_protocol_error_at_worst():
    sparse = torch.eye(3).to_sparse()
    leaked = []
    torch.func.vmap(lambda x: (leaked.append(x), x)[1])(torch.ones(3))
    deep = []
    for _ in range(10**5):
        deep = [deep]
    for value in (
        sparse,
        torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        leaked[0],
        deep,
        {1j: 2},
        object,
    ):
        try:
            decode(*parts(encode(Reply(value))))
        except ProtocolError:
            continue


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"dict": [["k" * 10**6, 1]]}), json.dumps({"rows": [["k" * 10**6, [1, 2]]]}),
        '{"dict": [["a", 1, 2]]}', '{"rows": [["a", 3]]}', '{"reply": {"a": 1}}', '{"__class__": 1}', '{"value": 1}',
    ],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_an_error_of_a_malformed_text_says_nothing_of_it(text):
    with pytest.raises(ProtocolError) as caught:
        decode(text.encode(), bytearray())
    assert str(caught.value) == "a malformed message"


def test_texts_that_are_names_are_short():
    assert len(decode(json.dumps({"opaque": "x" * 10**6}).encode(), bytearray()).type_name) == 200
    failure = decode(json.dumps({"failure": ["x" * 10**6] * 3}).encode(), bytearray())
    assert max(len(failure.type_name), len(failure.message), len(failure.where)) == 1000


def test_a_channel_knows_whether_its_peer_is_gone(channel_and_peer):
    channel, peer = channel_and_peer
    assert not channel.is_closed()
    peer.send(b"x")
    assert not channel.is_closed()
    channel._socket.recv(1)
    peer.close()
    assert channel.is_closed()
