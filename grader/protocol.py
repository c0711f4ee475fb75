"""A channel between the verifier and a worker: length-capped frames over a Unix socket."""

import contextlib
import select
import socket
import time
from collections.abc import Callable

from .codec import LENGTHS, MAX_FRAME, ProtocolError, encode
from .decoder import decode

POLL_SECONDS = 0.25
"""How often a waiting channel calls its watch."""


class TimeLimit(Exception):
    """The peer did not answer in time."""


Watch = Callable[[], None]
"""Called now and then while a channel waits. It raises TimeLimit to give up."""


def until(deadline: float) -> Watch:
    """A watch that gives up when `time.monotonic()` passes the deadline."""

    def look() -> None:
        if time.monotonic() >= deadline:
            raise TimeLimit

    return look


class Channel:
    """One end of a connection over a Unix socket. It can pass file descriptors, to the worker only."""

    def __init__(self, sock: socket.socket):
        self._socket = sock

    def send(self, message: object, descriptors: tuple[int, ...] = (), watch: Watch | None = None) -> None:
        """Send plain data (or Probes, or a Reply).

        Args:
            message: what to send.
            descriptors: open files that the peer gets with the message.
            watch: may give up waiting for a peer that does not read; None waits for ever.

        Raises:
            ProtocolError: the channel is closed, or the message too long.
            TimeLimit: from `watch`.
        """
        self.send_frame(encode(message), descriptors, watch)

    def send_frame(self, frame: bytes, descriptors: tuple[int, ...] = (), watch: Watch | None = None) -> None:
        """Send what `encode` made. Raises as `send` does."""
        rest = memoryview(frame)
        patience = _Patience(self._socket, watch)
        try:
            if descriptors:
                patience.wait(to_write=True)
                rest = rest[socket.send_fds(self._socket, [rest[:1]], list(descriptors)) :]
            if watch is None:
                self._socket.sendall(rest)
                return
            while rest:
                patience.wait(to_write=True)
                with contextlib.suppress(BlockingIOError):
                    rest = rest[self._socket.send(rest, socket.MSG_DONTWAIT) :]
        except OSError as error:
            raise ProtocolError(f"the channel is closed ({error})") from None

    def receive(self, watch: Watch | None = None) -> object:
        """The next message from a worker. Raises as `send` does, and ProtocolError for a malformed one."""
        patience = _Patience(self._socket, watch)
        header, body = LENGTHS.unpack(self._read(LENGTHS.size, patience))
        if header + body > MAX_FRAME:
            raise ProtocolError("a message that is too long")
        text = self._read(header, patience)
        return decode(text, self._read(body, patience))

    def receive_with_descriptors(self, maximum: int = 1) -> tuple[object, list[int]]:
        """The next message from the verifier and the open files that came with it. Waits for ever."""
        try:
            first, descriptors, _, _ = socket.recv_fds(self._socket, 1, maximum)
        except OSError as error:  # the peer was killed before it had read all
            raise ProtocolError(f"the channel is closed ({error})") from None
        if not first:
            raise ProtocolError("the channel is closed")
        patience = _Patience(self._socket, None)
        header, body = LENGTHS.unpack(first + self._read(LENGTHS.size - 1, patience))
        text = self._read(header, patience)
        return decode(text, self._read(body, patience), from_worker=False), descriptors

    def is_closed(self) -> bool:
        """Whether the peer has closed its end, and nothing that it sent before is left to read."""
        try:
            return self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def _read(self, count: int, patience: "_Patience") -> bytearray:
        data = bytearray(count)
        view, done = memoryview(data), 0
        while done < count:
            patience.wait()
            try:
                got = self._socket.recv_into(view[done:])
            except OSError as error:
                raise ProtocolError(f"the channel is closed ({error})") from None
            if not got:
                raise ProtocolError("the channel is closed")
            done += got
        return data


class _Patience:
    """Waits for one message. Calls its watch every POLL_SECONDS, though bytes drip in meanwhile."""

    def __init__(self, sock: socket.socket, watch: Watch | None):
        self._socket, self._watch = sock, watch
        self._next_look = time.monotonic() + POLL_SECONDS

    def wait(self, to_write: bool = False) -> None:
        """Return when the socket can be read or written."""
        if self._watch is None:
            return
        while True:
            left = self._next_look - time.monotonic()
            if left <= 0:
                self._watch()
                self._next_look = time.monotonic() + POLL_SECONDS
                left = POLL_SECONDS
            # poll and not select: a class with many workers has descriptors above 1024
            waiting = select.poll()
            waiting.register(self._socket, select.POLLOUT if to_write else select.POLLIN)
            if waiting.poll(1000 * left):
                return
