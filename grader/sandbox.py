"""Start a worker in a sandbox, and its sessions. The trusted side.

The sandbox is bubblewrap's: no network; no files but Python, its packages, the system's libraries and
the packages of the project, all read-only; an environment with nothing of this one in it.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import matplotlib

from .codec import ProtocolError
from .project import Project, own_project
from .protocol import Channel, TimeLimit, until

START_SECONDS = 600
ANSWER_SECONDS = 300
"""How long the keeper, which runs no student code, may take for an answer on a machine that is busy."""
INSIDE = "/lab"
WORKER_FILES = (
    "__init__.py", "codec.py", "decoder.py", "protocol.py",
    "worker.py", "worker_cells.py", "worker_limits.py", "worker_session.py", "worker_shell.py", "worker_stand_ins.py",
    "worker_usage.py",
)  # fmt: skip
"""All of the grader that there is inside."""
INSTALL = "Install bubblewrap: apt-get install bubblewrap (Debian, Ubuntu), dnf install bubblewrap (Fedora)."
NO_NAMESPACES = (
    "bubblewrap can't make a sandbox here. On Ubuntu 24.04 and later, AppArmor keeps programs from making user "
    "namespaces: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0. In a container: start it with "
    "--security-opt seccomp=unconfined --security-opt apparmor=unconfined --cap-add SYS_ADMIN. On macOS and "
    "Windows: use such a container, or WSL 2."
)
LAST_RESORT = "To grade without any protection from what the submissions do: --unsafe."


def end_with_parent() -> None:
    """End this process, and the sandbox that it starts, when the one that started it ends in whatever way."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


class SandboxError(Exception):
    """No sandbox is to be had. The message gives the reason and the command that mends it."""


class WorkerLost(SandboxError):
    """A worker that had started is gone, or does not answer."""


def sandbox_problem() -> str | None:
    """Why no sandbox can be made on this machine, or None."""
    if sys.platform != "linux" or shutil.which("bwrap") is None:
        return f"The sandbox needs bubblewrap, which is not installed. {INSTALL} {LAST_RESORT}"
    nested = "import ctypes; exit(ctypes.CDLL(None).unshare(0x20020000))"
    command = [*_bubblewrap("cpu", own_project()), *_python(), "-c", nested]
    probe = subprocess.run(command, capture_output=True, text=True)
    if probe.returncode == 0:
        return None
    return f"{NO_NAMESPACES} It said: {probe.stderr.strip()[-300:] or 'no new namespaces'}. {LAST_RESORT}"


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
        device: `cpu`, or `cuda` to let the GPU's device files in.
        unsafe: no sandbox: a plain subprocess.
        project: whose lessons its submissions answer; None is reward-lab itself.
    """

    def __init__(self, device: str = "cpu", unsafe: bool = False, project: Project | None = None):
        self.device, self.unsafe = device, unsafe
        project = project or own_project()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        ours, theirs = socket.socketpair()
        command = [*_python(), "-m", "grader.worker", str(theirs.fileno()), project.lessons]
        if unsafe:
            command.append("--unsafe")
        self._process = subprocess.Popen(
            command if unsafe else [*_bubblewrap(device, project), *command],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=_environment() | project.search_path() if unsafe else None,
            cwd=tempfile.gettempdir() if unsafe else None,
        )
        theirs.close()
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
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _python() -> list[str]:
    return [sys.executable, "-s"]


def _bubblewrap(device: str, project: Project) -> list[str]:
    """The command that starts a program in the sandbox."""
    arguments = ["bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"]
    arguments += ["--uid", "1000", "--gid", "1000"]
    # Mounting a session's own temporary folders takes this one privilege. A session drops it before any student code.
    arguments += ["--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN"]
    for folder in ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin"):
        path = Path(folder)
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), folder]
        elif path.exists():
            arguments += ["--ro-bind", folder, folder]
    # The last is where malloc learns whether there are huge pages: see _environment.
    huge_pages = "/sys/kernel/mm/transparent_hugepage"
    for file in ("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/alternatives", huge_pages):
        arguments += ["--ro-bind-try", file, file]
    # Before Python's folders: a checkout may lie in /tmp.
    arguments += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--dir", "/tmp/matplotlib"]
    for folder in _python_folders():
        arguments += ["--ro-bind", folder, folder]
    for file in WORKER_FILES:
        arguments += ["--ro-bind", str(Path(__file__).parent / file), f"{INSIDE}/grader/{file}"]
    for name, folder in project.packages().items():
        arguments += ["--ro-bind", str(folder), f"{INSIDE}/{name}"]
    for file in Path(matplotlib.get_cachedir()).glob("fontlist-*.json"):  # making it takes seconds
        arguments += ["--ro-bind", str(file), f"/tmp/matplotlib/{file.name}"]
    if device == "cuda":
        arguments += ["--ro-bind", "/sys", "/sys"]
        for path in sorted(Path("/dev").glob("nvidia*")):
            arguments += ["--dev-bind", str(path), str(path)]
    arguments += ["--clearenv"]
    for name, value in _environment().items():
        arguments += ["--setenv", name, value]
    return [*arguments, "--setenv", "PYTHONPATH", INSIDE, "--chdir", "/tmp", "--remount-ro", "/", "--"]


def _python_folders() -> list[str]:
    """Where this Python and its packages lie, outside of the system's own folders."""
    paths = {sys.prefix, sys.base_prefix, sys.exec_prefix, *map(sysconfig.get_path, ("purelib", "platlib"))}
    found: list[Path] = []
    for path in sorted(Path(path).resolve() for path in paths):
        if not any(path.is_relative_to(known) for known in [*found, Path("/usr")]):
            found.append(path)
    # A virtual environment may be reached by a path that is no real one; Python looks for pyvenv.cfg there.
    return list(dict.fromkeys([*map(str, found), sys.prefix]))


def _environment() -> dict[str, str]:
    """All of a worker's environment variables."""
    values = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",  # sets iterate in the same order in every worker
        "PYTHONDONTWRITEBYTECODE": "1",
        # Huge pages: a fork of a process with torch in it, and its end, then take half the time.
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        "PYTHONMALLOC": "malloc",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": "/tmp/matplotlib",
        "IPYTHONDIR": "/tmp/ipython",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    with contextlib.suppress(KeyError):
        values["TZ"] = os.environ["TZ"]
    return values
