"""Namespaces, mounts, privileges and limits of a session: what the kernel is asked to keep it from."""

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import socket
import struct
import sys

MAX_TASKS = 128
"""Processes and threads that one session may have."""
MAX_MEMORY = 3 * 2**30
"""Bytes of memory that the processes of one session may hold together."""
MAX_ADDRESSES = 4 * 2**30
"""Bytes of addresses that one process may take on top of those of torch and Python."""
MAX_FILES = 256 * 2**20
"""Bytes in each temporary folder, and in one file."""
MAX_INODES = 2**15
"""Files and folders in each temporary folder: an empty one takes memory too."""

_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWPID, _CLONE_NEWNET = 0x20000, 0x8000000, 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = (
    2, 4, 8, 1, 0x20, 0x1000, 0x4000, 0x40000,
)  # fmt: skip
_PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 4, 24, 38, 47
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_SIOCSIFFLAGS, _IFF_UP, _IFF_RUNNING = 0x8914, 0x1, 0x40
_libc = ctypes.CDLL(None, use_errno=True)


def _system(what: str, result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def be_untraceable() -> None:
    """Let nobody trace this process or read its memory, whatever privileges are left in the sandbox."""
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def die_with_parent() -> None:
    """End this process when the one that forked it ends, in whatever way."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def adopt_orphans() -> None:
    """Let processes further down that lose their parent become this one's children."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def enter_namespaces() -> None:
    """Take the children of this process into new mount, ipc, pid and network namespaces.

    Abstract sockets, ports in use and the counters of the network belong to the last.
    """
    _system("unshare", _libc.unshare(_CLONE_NEWNS | _CLONE_NEWIPC | _CLONE_NEWPID | _CLONE_NEWNET))


def start_loopback() -> None:
    """Let the session's processes reach each other by 127.0.0.1; nothing else is there."""
    request = struct.pack("16sh", b"lo", _IFF_UP | _IFF_RUNNING).ljust(40, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)


def mount_fresh_folders(keep_proc: bool) -> None:
    """Empty temporary folders of limited size, that only this session sees; and no /proc but for CUDA."""
    _system("mount", _libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
    options = f"size={MAX_FILES},nr_inodes={MAX_INODES},mode=1777".encode()
    # Python itself may lie in /tmp. It is held open, and put back into the new one.
    pythons = {path: os.open(path, os.O_PATH) for path in _python_folders_in("/tmp")}
    for folder in (b"/tmp", b"/dev/shm"):
        _system("mount", _libc.mount(b"tmpfs", folder, b"tmpfs", _MS_NOSUID | _MS_NODEV, options))
    for path, descriptor in pythons.items():
        os.makedirs(path)
        source = f"/proc/self/fd/{descriptor}".encode()
        _system("mount", _libc.mount(source, path.encode(), None, _MS_BIND | _MS_REC, None))
        os.close(descriptor)
    if not keep_proc:
        facts = {}
        for name in ("cpuinfo", "meminfo"):  # torch reads the first
            with open(f"/proc/{name}") as file:
                facts[name] = file.read()
        flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
        _system("mount", _libc.mount(b"tmpfs", b"/proc", b"tmpfs", flags, b"size=4m"))
        for name, text in facts.items():
            with open(f"/proc/{name}", "w") as file:
                file.write(text)
        _system("mount", _libc.mount(b"none", b"/proc", None, _MS_REMOUNT | _MS_RDONLY | flags, None))


def _python_folders_in(folder: str) -> list[str]:
    """Where this Python and its packages lie, as far as that is below a folder; nothing that lies below another."""
    paths = {path for name in (sys.prefix, sys.base_prefix) for path in (name, os.path.realpath(name))}
    below = sorted(path for path in paths if path.startswith(folder + "/"))
    return [path for path in below if not any(path.startswith(other + "/") for other in below)]


def drop_privileges() -> None:
    """Give up the capabilities that mounting took, for good."""
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for capability in range(64):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3 of the kernel's interface, this process
    none = (ctypes.c_uint32 * 6)()
    _system("capset", _libc.capset(header, none))


def limit(cpu_seconds: int, unlimited_addresses: bool) -> None:
    """Limits of one process; what all of them take together, the keeper watches."""
    limits = {
        resource.RLIMIT_CPU: cpu_seconds,  # the clock stops one thread before; this stops many of them
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: MAX_FILES,
        resource.RLIMIT_NOFILE: 512,
        resource.RLIMIT_NPROC: 4 * MAX_TASKS,  # counted per user, so only a second line of defence
    }
    if not unlimited_addresses and os.path.exists("/proc/self/statm"):
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        limits[resource.RLIMIT_AS] = used + MAX_ADDRESSES
    for name, value in limits.items():
        with contextlib.suppress(ValueError, OSError):  # a lower limit may be in force already
            resource.setrlimit(name, (value, value))
