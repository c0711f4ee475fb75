"""Which processes a test has left running."""

import os

import psutil


def left_running(words: str) -> list[int]:
    """Numbers of the processes with `words` in their command that this test process started, or whose parents ended.

    pytest-xdist's other processes start workers of their own meanwhile: what descends from those is theirs.
    """
    here, others = os.getpid(), os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else None
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        if words not in " ".join(process.info["cmdline"] or []):
            continue
        try:
            parents = {parent.pid for parent in process.parents()}
        except psutil.NoSuchProcess:
            continue  # it ended while we looked
        if here in parents or others not in parents:
            found.append(process.pid)
    return found
