"""Start a worker in a sandbox, and its sessions. The trusted side.

The sandbox is bubblewrap's: no network; no files but Python, its packages, the system's libraries and
a copy of the project's packages without the lesson's answers, all read-only; an environment with nothing of
this one in it.
"""

import contextlib
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass

from .bubblewrap import bubblewrap, environment, font_lists, python
from .codec import ProtocolError
from .host import SandboxError, WorkerLost, sandbox_problem
from .project import Project, own_project
from .protocol import Channel, TimeLimit, until
from .worker_copy import as_folder, as_open_files

START_SECONDS = 600
ANSWER_SECONDS = 300
"""How long the keeper, which runs no student code, may take for an answer on a machine that is busy."""
GOODBYE_SECONDS = 20
"""How long it may take to end what it started, where there is no sandbox to end it."""


@dataclass(frozen=True)
class Use:
    """What a session has used so far.

    Fields: `cpu`, seconds that all its processes computed; `awake`, whether one of them computes now, or
    waits for its turn to; `ended`, why the keeper ended it, or None; `threads`, those of its first process.
    """

    cpu: float
    awake: bool
    ended: str | None
    threads: int = 1


class Sandbox:
    """A worker process that runs sessions, one at a time. It starts in the background.

    Args:
        lesson: whose submissions it runs; the packages' own answers to its exercises are not in it.
        device: `cpu`, or `cuda` to let the GPU's device files in.
        unsafe: no sandbox: a plain subprocess.
        project: whose lessons its submissions answer; None is reward-lab itself.

    Raises:
        ProjectError: the lesson has no checks, or they withhold something that there is not.
    """

    def __init__(
        self, lesson: str, device: str = "cpu", unsafe: bool = False, project: Project | None = None
    ):
        self.lesson, self.device, self.unsafe = lesson, device, unsafe
        project = project or own_project()
        self._folder: tempfile.TemporaryDirectory | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        ours, theirs = socket.socketpair()
        command = [*python(), "-m", "grader.worker", str(theirs.fileno()), project.lessons]
        if unsafe:
            command.append("--unsafe")
        with contextlib.ExitStack() as started:
            started.callback(theirs.close)
            if unsafe:
                self._folder = as_folder(project, lesson)
                search = {"PYTHONPATH": self._folder.name}
            else:
                files = started.enter_context(as_open_files(project, lesson))
                command = [*bubblewrap(device, project, files, font_lists()), *command]
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno(), *(() if unsafe else files.values())],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                env=environment() | search if unsafe else None,
                cwd=tempfile.gettempdir() if unsafe else None,
            )
        self._control = Channel(ours)
        self._is_ready = False

    def wait_until_ready(self) -> None:
        """Wait for the worker's imports. Sessions do so by themselves.

        Raises:
            SandboxError: it did not start.
        """
        if self._is_ready:
            return
        try:
            self._control.receive(until(time.monotonic() + START_SECONDS))
            self._is_ready = True
        except (ProtocolError, TimeLimit):
            self.close()
            self._log.seek(0)
            said = self._log.read().decode(errors="replace").strip()[-800:]
            raise SandboxError(sandbox_problem() or f"The worker did not start. It said: {said}") from None

    def open_session(self, cpu_seconds: int) -> Channel:
        """Start a session, ending the one before, whose processes may each compute so long. Returns the channel to it."""
        self.wait_until_ready()
        ours, theirs = socket.socketpair()
        with theirs:
            request = {"op": "session", "keep_proc": self.device == "cuda", "cpu_seconds": cpu_seconds}
            self._ask(request, (theirs.fileno(),))
        return Channel(ours)

    def end_session(self) -> Use:
        """Kill the session."""
        answer = self._ask({"op": "end"})
        return Use(answer["cpu"], awake=False, ended=answer["reason"])

    def look(self) -> Use:
        """What the session uses. A session that holds too much ends with this."""
        answer = self._ask({"op": "watch"})
        return Use(answer["cpu"], answer["awake"], answer["ended"], answer["threads"])

    def _ask(self, request: dict, descriptors: tuple[int, ...] = ()) -> dict:
        try:
            self._control.send(request, descriptors)
            return self._control.receive(until(time.monotonic() + ANSWER_SECONDS))
        except (ProtocolError, TimeLimit) as error:
            raise WorkerLost(f"The worker is gone ({error}).") from None

    def close(self) -> None:
        """Kill everything in the sandbox."""
        self._control.close()
        if (
            self.unsafe
        ):  # nothing else ends with the worker, which kills its session where the channel is closed
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GOODBYE_SECONDS)
        self._process.kill()
        self._process.wait()
        if self._folder:
            self._folder.cleanup()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
