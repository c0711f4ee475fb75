"""Run a student's cells and answer calls. This side is untrusted; nothing it says decides a grade by itself.

    python -m grader.worker FD [--unsafe]      started by sandbox.py, inside the sandbox

The first process (the keeper) imports everything once, runs no student code, and forks a session for
each submission: a process in a pid namespace of its own, with fresh temporary folders, without
privileges, under limits. The keeper watches it from outside and kills it with all it started. A
session runs cells, forks copies of itself where a check stands, and each copy answers that check.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import time

from .codec import ProtocolError
from .protocol import Channel
from .worker_limits import MAX_MEMORY, MAX_TASKS, be_untraceable, enter_namespaces
from .worker_session import exit_after, serve_session
from .worker_shell import preload
from .worker_usage import usage

POLL_SECONDS = 0.05


class Keeper:
    """Forks sessions, watches them, ends them. Runs no student code."""

    def __init__(self, control: Channel, sandboxed: bool):
        self.control, self.sandboxed = control, sandboxed
        self.shell = preload()
        self.session: int | None = None
        self.helper: int | None = None
        self.dying: int | None = None
        self.reason: str | None = None
        be_untraceable()

    def run(self) -> None:
        """Answer the verifier until it closes the channel."""
        self.control.send({"ready": True})
        while True:
            timeout = POLL_SECONDS if self.session and not self.reason else None
            readable, _, _ = select.select([self.control], [], [], timeout)
            if not readable:
                self._watch()
                continue
            try:
                message, descriptors = self.control.receive_with_descriptors()
            except ProtocolError:
                self._end()
                return
            if message["op"] == "session":
                self._start(descriptors[0], message["keep_proc"], message["cpu_seconds"])
                self.control.send({"started": True})
            elif message["op"] == "threads":
                self.control.send({"threads": self._threads()})
            elif message["op"] == "watch":
                if self.session and not self.reason:
                    self._watch()
                self.control.send({"ended": self.reason is not None})
            elif message["op"] == "end":
                self._end()
                self.control.send({"reason": self.reason})

    def _start(self, descriptor: int, keep_proc: bool, cpu_seconds: int) -> None:
        """Fork a session that serves `descriptor`."""
        self._end()
        self._wait_for_the_dead()  # two sessions never meet
        self.reason = None
        read_end, write_end = os.pipe()
        self.helper = os.fork()
        if self.helper == 0:
            # A new pid namespace takes in the children of the process that asks for it, so that process has
            # to be another one than the keeper.
            with exit_after():
                os.close(read_end)
                if self.sandboxed:
                    enter_namespaces()
                session = os.fork()
                if session == 0:
                    os.close(write_end)
                    os.setsid()
                    serve_session(descriptor, self.shell, self.sandboxed, keep_proc, cpu_seconds)
                    os._exit(0)
                os.write(write_end, str(session).encode())
                os.close(write_end)
                os.close(descriptor)
                os.waitpid(session, 0)
        os.close(write_end)
        os.close(descriptor)
        with os.fdopen(read_end) as pipe:
            self.session = int(pipe.read() or 0) or None

    def _end(self) -> None:
        """Kill the session with everything that it started. `_wait_for_the_dead` waits until it is gone."""
        if self.session:
            with contextlib.suppress(ProcessLookupError):
                # The first process of a pid namespace takes all others with it. Without one: the group.
                os.kill(self.session, signal.SIGKILL) if self.sandboxed else os.killpg(
                    self.session, signal.SIGKILL
                )
        if self.helper:
            self._wait_for_the_dead()
            self.dying = self.helper
        self.session = self.helper = None

    def _wait_for_the_dead(self) -> None:
        """Taking namespaces down keeps the kernel busy for a while, in which the verifier can judge."""
        if self.dying:
            os.waitpid(self.dying, 0)
        self.dying = None

    def _threads(self) -> int:
        try:
            return len(os.listdir(f"/proc/{self.session}/task"))
        except OSError:
            return 1

    def _watch(self) -> None:
        """Kill a session that has too many processes or holds too much memory."""
        tasks, memory = usage(os.getpid(), self.helper)
        if tasks > MAX_TASKS:
            self.reason = "started too many processes or threads"
        elif memory > MAX_MEMORY:
            self.reason = "used too much memory"
        else:
            return
        reason = self.reason
        self._end()
        self.reason = reason


def main() -> None:
    control = Channel(socket.socket(fileno=int(sys.argv[1])))
    keeper = Keeper(control, sandboxed="--unsafe" not in sys.argv)
    import gc

    gc.collect()
    gc.freeze()  # a collection in a fork would touch, and so copy, all memory that it shares
    keeper.run()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the verifier's business
    time.tzset()
    main()
