"""Which processes a test has left running."""

import os

import psutil


def left_running(words: str) -> list[int]:
    """Numbers of the processes with `words` in their command that this test process started, or whose parents ended.

    Other tests, of this run and of others on this machine, start workers of their own meanwhile: those are theirs.
    """
    here, found = os.getpid(), []
    for process in psutil.process_iter(["pid", "cmdline"]):
        if words not in " ".join(process.info["cmdline"] or []):
            continue
        try:
            parents = {parent.pid: " ".join(parent.cmdline()) for parent in process.parents()}
        except psutil.NoSuchProcess:
            continue  # it ended while we looked
        if here in parents or not any("pytest" in told or "grader" in told for told in parents.values()):
            found.append(process.pid)
    return found
