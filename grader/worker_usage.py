"""What the processes of a session hold and use, as the keeper sees it from outside."""

import contextlib
import os
import resource
from dataclasses import dataclass

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = resource.getpagesize()


@dataclass(frozen=True)
class Usage:
    """All processes of a session together.

    Fields: `tasks`, processes and threads; `memory`, bytes not shared with a file or with the keeper; `cpu`,
    seconds computed since the session began, by processes that have ended too; `awake`, whether one of them
    computes, or would if the machine let it.
    """

    tasks: int = 0
    memory: int = 0
    cpu: float = 0.0
    awake: bool = False


class Meter:
    """Reads /proc. Made by the keeper before it forks anything.

    Args:
        everything: count every process in sight but the keeper's own. That is so in the sandbox, which holds nothing
            else; outside it the session's are told by their parents.
    """

    def __init__(self, everything: bool):
        self._everything, self._keeper = everything, os.getpid()
        self._helper = 0
        self._ticks: dict[tuple[int, int], int] = {}
        self._most = 0.0
        self._readable = os.path.isdir("/proc/self")
        self._shared_pages = _private_pages("self") if self._readable else 0

    def start(self, helper: int) -> None:
        """A session begins, below this process, which is not counted."""
        self._helper, self._most = helper, 0.0
        self._ticks.clear()

    def read(self) -> Usage:
        """What the session uses now."""
        if not self._readable:
            return Usage()
        tasks, pages, ticks, awake = 0, 0, 0, False
        for pid, fields in self._processes().items():
            with contextlib.suppress(OSError):
                tasks += len(os.listdir(f"/proc/{pid}/task"))
                pages += max(0, _private_pages(pid) - self._shared_pages)
            own = fields.user + fields.system
            ticks += own + fields.children
            self._ticks[pid, fields.start] = own
            # A process that waits for its disk or for its turn is not to blame for the time that passes.
            awake = awake or fields.state in "RD" or _a_thread_runs(pid)
        # Children that were waited for are in their parents' sum; the sum of all that were ever seen has those
        # that nobody waited for. Each may miss some that the other has.
        self._most = max(self._most, ticks / _TICKS, sum(self._ticks.values()) / _TICKS)
        return Usage(tasks, pages * _PAGE, self._most, awake)

    def processes(self) -> list[int]:
        """The session's processes."""
        return list(self._processes()) if self._readable else []

    def _processes(self) -> dict[int, "_Stat"]:
        found = {int(name): stat for name in os.listdir("/proc") if name.isdigit() and (stat := _stat(name))}
        if self._everything:
            # The first is bubblewrap's own.
            return {pid: stat for pid, stat in found.items() if pid not in (1, self._keeper, self._helper)}
        below: dict[int, _Stat] = {}
        parents = {self._helper}
        while parents:
            children = {pid for pid, stat in found.items() if stat.parent in parents and pid not in below}
            below |= {pid: found[pid] for pid in children}
            parents = children
        return below


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    parent: int
    user: int
    system: int
    children: int
    start: int


def _stat(pid: str) -> _Stat | None:
    """The fields of /proc/PID/stat, see proc(5); None if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name before the last bracket is the process's to choose.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    state, parent, user, system, start = fields[0].decode(), *(int(fields[n]) for n in (1, 11, 12, 19))
    return _Stat(state, parent, user, system, int(fields[13]) + int(fields[14]), start)


def has_ended(pid: int) -> bool:
    """Whether a process has ended, though its parent may not know it yet."""
    stat = _stat(str(pid))
    return stat is None or stat.state == "Z"


def _a_thread_runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        threads = os.listdir(f"/proc/{pid}/task")
        if len(threads) > 1:
            return any((stat := _stat(f"{pid}/task/{thread}")) and stat.state in "RD" for thread in threads)
    return False


def _private_pages(pid: int | str) -> int:
    """Pages of memory that come from no file."""
    with open(f"/proc/{pid}/statm", "rb") as file:
        _, resident, shared, *_ = map(int, file.read().split())
    return resident - shared
