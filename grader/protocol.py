"""A channel between the verifier and a worker: length-capped frames over a Unix socket."""

import socket
import time

from .codec import LENGTHS, MAX_FRAME, ProtocolError, decode, encode


class TimeLimit(Exception):
    """The peer did not answer in time."""


class Channel:
    """One end of a connection over a Unix socket. It can pass file descriptors, to the worker only."""

    def __init__(self, sock: socket.socket):
        self._socket = sock

    def send(self, message: object, descriptors: tuple[int, ...] = (), deadline: float | None = None) -> None:
        """Send plain data (or Probes, or a Reply).

        Args:
            message: what to send.
            descriptors: open files that the peer gets with the message.
            deadline: `time.monotonic()` at which to give up; None waits for ever.

        Raises:
            ProtocolError: the channel is closed, or the message too long.
            TimeLimit: the deadline passed.
        """
        frame = encode(message)
        try:
            self._wait_until(deadline)
            if descriptors:
                sent = socket.send_fds(self._socket, [frame[:1]], list(descriptors))
                frame = frame[sent:]
            self._socket.sendall(frame)
        except TimeoutError:
            raise TimeLimit from None
        except OSError as error:
            raise ProtocolError(f"the channel is closed ({error})") from None

    def receive(self, deadline: float | None = None) -> object:
        """The next message. Raises as `send` does, and ProtocolError for a malformed one."""
        header, body = LENGTHS.unpack(self._read(LENGTHS.size, deadline))
        if header + body > MAX_FRAME:
            raise ProtocolError(f"a message of {header + body} bytes, more than {MAX_FRAME}")
        text = self._read(header, deadline)
        return decode(text, self._read(body, deadline))

    def receive_with_descriptors(self, maximum: int = 1) -> tuple[object, list[int]]:
        """The next message and the open files that came with it (the worker's side; waits for ever)."""
        first, descriptors, _, _ = socket.recv_fds(self._socket, 1, maximum)
        if not first:
            raise ProtocolError("the channel is closed")
        header, body = LENGTHS.unpack(first + self._read(LENGTHS.size - 1, None))
        text = self._read(header, None)
        return decode(text, self._read(body, None)), descriptors

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def _wait_until(self, deadline: float | None) -> None:
        if deadline is None:
            self._socket.settimeout(None)
        else:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeLimit
            self._socket.settimeout(left)

    def _read(self, count: int, deadline: float | None) -> bytearray:
        data = bytearray(count)
        view, done = memoryview(data), 0
        while done < count:
            self._wait_until(
                deadline
            )  # again for every piece: a peer that sends a byte now and then is slow too
            try:
                got = self._socket.recv_into(view[done:])
            except TimeoutError:
                raise TimeLimit from None
            except OSError as error:
                raise ProtocolError(f"the channel is closed ({error})") from None
            if not got:
                raise ProtocolError("the channel is closed")
            done += got
        return data
