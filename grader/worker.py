"""Run a student's cells and answer calls. This side is untrusted; nothing it says decides a grade by itself.

    python -m grader.worker FD LESSONS [--unsafe]      started by sandbox.py, inside the sandbox

LESSONS is the package with the lessons' rooms.

The first process (the keeper) imports everything once, runs no student code, and forks a session for
each submission: a process in a pid namespace of its own, with fresh temporary folders, without
privileges, under limits. The keeper watches it from outside and kills it with all it started. A
session runs cells, forks copies of itself where a check stands, and each copy answers that check.
"""

import contextlib
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time

from .codec import ProtocolError
from .protocol import Channel
from .worker_limits import (
    MAX_MEMORY,
    MAX_TASKS,
    adopt_orphans,
    be_untraceable,
    die_with_parent,
    enter_namespaces,
)
from .worker_session import Setting, exit_after, serve_session
from .worker_shell import preload
from .worker_usage import Meter, Usage, has_ended

POLL_SECONDS = 0.05


class Keeper:
    """Forks sessions, watches them, ends them. Runs no student code."""

    def __init__(self, control: Channel, lessons: str, sandboxed: bool):
        self.control, self.sandboxed = control, sandboxed
        self.shell = preload(lessons)
        self.session: int | None = None
        self.helper: int | None = None
        self.dying: int | None = None
        self.reason: str | None = None
        self.used = Usage()
        self.folder = ""
        be_untraceable()

    def run(self) -> None:
        """Answer the verifier until it closes the channel."""
        self.meter = Meter(everything=self.sandboxed)
        try:
            with contextlib.suppress(
                ProtocolError
            ):  # the channel was closed, or broke where the verifier was killed
                self._serve()
        finally:
            self._end()

    def _serve(self) -> None:
        self.control.send({"ready": True})
        while True:
            timeout = POLL_SECONDS if self.session and not self.reason else None
            readable, _, _ = select.select([self.control], [], [], timeout)
            if not readable:
                self._watch()
                continue
            message, descriptors = self.control.receive_with_descriptors()
            if message["op"] == "session":
                self._start(descriptors[0], message["keep_proc"], message["cpu_seconds"])
                self.control.send({"started": True})
            elif message["op"] == "watch":
                self._watch()
                told = {"cpu": self.used.cpu, "awake": self.used.awake, "threads": self._threads()}
                self.control.send({"ended": self.reason, **told})
            elif message["op"] == "end":
                self._watch()
                self._end()
                self.control.send({"reason": self.reason, "cpu": self.used.cpu})

    def _start(self, descriptor: int, keep_proc: bool, cpu_seconds: int) -> None:
        """Fork a session that serves `descriptor`."""
        self._end()
        self._wait_for_the_dead()  # two sessions never meet
        self.reason, self.used = None, Usage()
        self.folder = (
            "/tmp/work" if self.sandboxed else tempfile.mkdtemp(prefix=f"reward-lab-session-{os.getpid()}-")
        )
        read_end, write_end = os.pipe()
        self.helper = os.fork()
        if self.helper == 0:
            # A new pid namespace takes in the children of the process that asks for it, so that process has
            # to be another one than the keeper.
            with exit_after():
                os.close(read_end)
                die_with_parent()
                enter_namespaces() if self.sandboxed else adopt_orphans()
                session = os.fork()
                if session == 0:
                    os.close(write_end)
                    os.setsid()
                    die_with_parent()
                    setting = Setting(self.sandboxed, self.folder, keep_proc, cpu_seconds)
                    serve_session(descriptor, self.shell, setting)
                os.write(write_end, str(session).encode())
                os.close(write_end)
                os.close(descriptor)
                _wait_for_children(session if self.sandboxed else None)
        os.close(write_end)
        os.close(descriptor)
        with os.fdopen(read_end) as pipe:
            self.session = int(pipe.read() or 0) or None
        self.meter.start(self.helper)

    def _end(self) -> None:
        """Kill the session with everything that it started. `_wait_for_the_dead` waits until it is gone."""
        if self.session and self.sandboxed:
            with contextlib.suppress(ProcessLookupError):
                # The first process of a pid namespace takes all others with it.
                os.kill(self.session, signal.SIGKILL)
        elif self.session:
            self._kill_one_by_one()
        if self.helper:
            self._wait_for_the_dead()
            self.dying = self.helper
        self.session = self.helper = None

    def _kill_one_by_one(self) -> None:
        """Without a namespace: all that are below the helper, until there are none."""
        for _ in range(MAX_TASKS):
            processes = [pid for pid in self.meter.processes() if not has_ended(pid)] or [self.session]
            for pid in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if processes == [self.session]:
                break
        shutil.rmtree(self.folder, ignore_errors=True)

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
        """Look at what the session uses. Kill it if it has too many processes or holds too much memory."""
        if not self.session or self.reason:
            return
        self.used = self.meter.read()
        if self.used.tasks > MAX_TASKS:
            self.reason = "started too many processes or threads"
        elif self.used.memory > MAX_MEMORY:
            self.reason = "used too much memory"
        else:
            return
        self._end()


def _wait_for_children(first: int | None) -> None:
    """Wait for this child, or for all and those that were adopted."""
    with contextlib.suppress(ChildProcessError):
        if first:
            os.waitpid(first, 0)
        while not first:
            os.wait()


def main() -> None:
    control = Channel(socket.socket(fileno=int(sys.argv[1])))
    keeper = Keeper(control, sys.argv[2], sandboxed="--unsafe" not in sys.argv)
    import gc

    gc.collect()
    gc.freeze()  # a collection in a fork would touch, and so copy, all memory that it shares
    keeper.run()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the verifier's business
    time.tzset()
    main()
