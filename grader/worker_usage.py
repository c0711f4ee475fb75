"""What the processes of a session hold, as the keeper sees it from outside."""

import contextlib
import os
import resource


def usage(keeper: int, helper: int | None) -> tuple[int, int]:
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
