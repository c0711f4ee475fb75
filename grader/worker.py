"""Run a student's cells and answer calls. This side is untrusted; nothing it says decides a grade by itself.

    python -m grader.worker FD [--unsafe]      started by sandbox.py, inside the sandbox

The first process (the keeper) imports everything once, runs no student code, and forks a session for
each submission: a process in a pid namespace of its own, with fresh temporary folders, without
privileges, under limits. The keeper watches it from outside and kills it with all it started. A
session runs cells, forks copies of itself where a check stands, and each copy answers that check.
"""

import contextlib
import ctypes
import importlib
import os
import pkgutil
import re
import resource
import select
import signal
import socket
import sys
import time
import traceback

from .protocol import Channel, ProtocolError

MAX_TASKS = 128
"""Processes and threads that one session may have."""
MAX_MEMORY = 3 * 2**30
"""Bytes of memory that the processes of one session may hold together."""
MAX_ADDRESSES = 4 * 2**30
"""Bytes of addresses that one process may take on top of those of torch and Python."""
MAX_FILES = 256 * 2**20
"""Bytes in each temporary folder, and in one file."""
POLL_SECONDS = 0.05
MESSAGE_LETTERS = 4000

_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWPID = 0x20000, 0x8000000, 0x20000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = (
    2, 4, 8, 1, 0x20, 0x1000, 0x4000, 0x40000,
)  # fmt: skip
_PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 4, 24, 38, 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_libc = ctypes.CDLL(None, use_errno=True)


def _system(what: str, result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def preload() -> object:
    """Import what lessons use and make the student's shell, without a thread and without an operation."""
    import torch

    torch.set_num_threads(1)
    # The first optimizer step imports this, for more than a second: here it is paid once.
    import matplotlib.pyplot  # noqa: F401
    import torch._dynamo  # noqa: F401
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    import reward_lab.lessons

    for lesson in pkgutil.iter_modules(reward_lab.lessons.__path__):
        importlib.import_module(f"reward_lab.lessons.{lesson.name}.checks")

    class StudentShell(InteractiveShell):
        """IPython's shell without the parts that need a terminal, a network or a history."""

        def enable_gui(self, gui=None):
            pass

        def showtraceback(self, *args, **kwargs):
            pass  # the worker reports errors itself; formatting one takes IPython a tenth of a second

        showsyntaxerror = showtraceback

        def system(self, cmd):
            print("(shell commands are not run during grading)")
            self.user_ns["_exit_code"] = 0

        system_piped = system_raw = system

        def getoutput(self, cmd, split=True, depth=0):
            return [] if split else ""

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    shell = StudentShell.instance(config=config)
    shell.display_formatter.active_types = ["text/plain"]  # nobody sees what a cell displays
    return shell


class Keeper:
    """Forks sessions, watches them, ends them. Runs no student code."""

    def __init__(self, control: Channel, sandboxed: bool):
        self.control, self.sandboxed = control, sandboxed
        self.shell = preload()
        self.session: int | None = None
        self.helper: int | None = None
        self.dying: int | None = None
        self.reason: str | None = None
        # Nobody may trace this process or read its memory, whatever privileges are left in the sandbox.
        _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)

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
            with _exit_after():
                os.close(read_end)
                if self.sandboxed:
                    _system("unshare", _libc.unshare(_CLONE_NEWNS | _CLONE_NEWIPC | _CLONE_NEWPID))
                session = os.fork()
                if session == 0:
                    os.close(write_end)
                    os.setsid()
                    _serve_session(descriptor, self.shell, self.sandboxed, keep_proc, cpu_seconds)
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
        tasks, memory = _usage(os.getpid(), self.helper)
        if tasks > MAX_TASKS:
            self.reason = "started too many processes or threads"
        elif memory > MAX_MEMORY:
            self.reason = "used too much memory"
        else:
            return
        reason = self.reason
        self._end()
        self.reason = reason


def _usage(keeper: int, helper: int | None) -> tuple[int, int]:
    """Threads, and bytes of memory not shared with a file, of all processes but these two."""
    tasks, pages = 0, 0
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else []:
        # The sandbox holds nothing but the keeper, its session, and bubblewrap's own first process.
        if not name.isdigit() or int(name) in (1, keeper, helper):
            continue
        with contextlib.suppress(OSError):
            tasks += len(os.listdir(f"/proc/{name}/task"))
            with open(f"/proc/{name}/statm") as file:
                _, resident, shared, *_ = map(int, file.read().split())
            pages += max(0, resident - shared - _own_pages(keeper))
    return tasks, pages * resource.getpagesize()


def _own_pages(keeper: int) -> int:
    """What every fork shares with the keeper: its memory not from a file, in pages. Measured once."""
    if not hasattr(_own_pages, "pages"):
        with open(f"/proc/{keeper}/statm") as file:
            _, resident, shared, *_ = map(int, file.read().split())
        _own_pages.pages = resident - shared
    return _own_pages.pages


@contextlib.contextmanager
def _exit_after():
    """Leave a forked process for good, whatever happens in it: it must never return into its parent's code."""
    try:
        yield
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _serve_session(
    descriptor: int, shell: object, sandboxed: bool, keep_proc: bool, cpu_seconds: int
) -> None:
    with _exit_after():
        channel = Channel(socket.socket(fileno=descriptor))
        os.closerange(3, descriptor)
        os.closerange(descriptor + 1, 1024)
        _limit(cpu_seconds, unlimited_addresses=keep_proc)
        if sandboxed:
            _mount_fresh_folders(keep_proc)
            _drop_privileges()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):  # endless output goes nowhere, at no cost
            os.dup2(nowhere, stream)
        if sandboxed:
            os.makedirs("/tmp/work", exist_ok=True)
            os.chdir("/tmp/work")
        _serve(channel, shell)


def _mount_fresh_folders(keep_proc: bool) -> None:
    """Empty temporary folders of limited size, that only this session sees; and no /proc but for CUDA."""
    _system("mount", _libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
    options = f"size={MAX_FILES},mode=1777".encode()
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


def _drop_privileges() -> None:
    """Give up the capabilities that mounting took, for good."""
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for capability in range(64):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3 of the kernel's interface, this process
    none = (ctypes.c_uint32 * 6)()
    _system("capset", _libc.capset(header, none))


def _limit(cpu_seconds: int, unlimited_addresses: bool) -> None:
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


def _serve(channel: Channel, shell: object) -> None:
    """Answer requests until the channel closes. Everything from here on runs beside student code."""
    from reward_lab.checks.subject import Failure, LocalSubject, Reply

    subject: LocalSubject | None = None
    while True:
        request, descriptors = channel.receive_with_descriptors()
        match request["op"]:
            case "run":
                channel.send(_run_cell(shell, request["source"]))
            case "fork":
                if os.fork() == 0:
                    channel.close()
                    channel = Channel(socket.socket(fileno=descriptors[0]))
                    continue
                os.close(descriptors[0])
                channel.send({"forked": True})
            case "call" | "differentiate" | "create" | "apply" | "step" | "length" | "items" as method:
                if request["subject"] is not None:  # a new case
                    name, device, seed = request["subject"]
                    if name not in shell.user_ns:
                        channel.send({"missing": True})
                        continue
                    subject = LocalSubject(shell.user_ns[name], device, seed)
                try:
                    reply = getattr(subject, method)(*request["arguments"])
                except Exception as error:  # an answer broke the subject itself, for example its generators
                    reply = Reply(failure=Failure(type(error).__name__, "while the answer was called", ""))
                try:
                    channel.send(reply)
                except ProtocolError as error:
                    channel.send(Reply(failure=Failure("TooLong", str(error), "")))


def _run_cell(shell: object, source: str) -> dict:
    """Run one cell. Returns what it raised, if anything, as the student would want to read it."""
    from IPython.core.interactiveshell import InteractiveShell

    # Looked up on IPython's class: the student's code may have replaced the instance's own methods.
    result = InteractiveShell.run_cell(shell, source, store_history=False)
    error = result.error_before_exec or result.error_in_exec
    if error is None:
        return {"error": None}
    lines = traceback.format_exception(type(error), error, _students_part(error.__traceback__), limit=20)
    text = re.sub(r"0x[0-9a-f]{6,}", "0x...", "".join(lines))
    value = "".join(traceback.format_exception_only(type(error), error)).partition(": ")[2]
    return {"error": [type(error).__name__, value[:MESSAGE_LETTERS], text[-MESSAGE_LETTERS:]]}


def _students_part(trace):
    """The traceback from the student's first line on."""
    while trace is not None and "interactiveshell" in trace.tb_frame.f_code.co_filename:
        trace = trace.tb_next
    return trace


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
