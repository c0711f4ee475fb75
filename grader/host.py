"""What this machine has for a sandbox, and what is said where it has none. Without torch: commands start with this."""

import ctypes
import shutil
import signal
import subprocess
import sys

from .bubblewrap import bubblewrap, python
from .project import own_project
from .worker_syscalls import can_filter

INSTALL = "Install bubblewrap: apt-get install bubblewrap (Debian, Ubuntu), dnf install bubblewrap (Fedora)."
NO_NAMESPACES = (
    "bubblewrap can't make a sandbox here. On Ubuntu 24.04 and later, AppArmor keeps programs from making user "
    "namespaces: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0. In a container: start it with "
    "--security-opt seccomp=unconfined --security-opt apparmor=unconfined --cap-add SYS_ADMIN. On macOS and "
    "Windows: use such a container, or WSL 2."
)
LAST_RESORT = "To grade without any protection from what the submissions do: --unsafe."
UNSAFE = "graded without a sandbox (--unsafe): submissions could read and change anything that this user can"


class SandboxError(Exception):
    """No sandbox is to be had. The message gives the reason and the command that mends it."""


class WorkerLost(SandboxError):
    """A worker that had started is gone, or does not answer."""


def sandbox_problem() -> str | None:
    """Why no sandbox can be made on this machine, or None."""
    if sys.platform == "linux" and not can_filter():
        return f"The sandbox filters system calls, and knows those of x86_64 and aarch64 only. {LAST_RESORT}"
    if sys.platform != "linux" or shutil.which("bwrap") is None:
        return f"The sandbox needs bubblewrap, which is not installed. {INSTALL} {LAST_RESORT}"
    nested = "import ctypes; exit(ctypes.CDLL(None).unshare(0x60020000))"
    command = [*bubblewrap("cpu", own_project(), {}), *python(), "-c", nested]
    probe = subprocess.run(command, capture_output=True, text=True)
    if probe.returncode == 0:
        return None
    return f"{NO_NAMESPACES} It said: {probe.stderr.strip()[-300:] or 'no new namespaces'}. {LAST_RESORT}"


def end_with_parent() -> None:
    """End this process, and the sandbox that it starts, when the one that started it ends in whatever way."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
