"""Processes that grade. The one that hands out files and writes what comes back needs no torch, and starts in no time.

They are forked from a server that has imported everything once, and runs nothing: a fork of the process that hands out
would inherit its locks and its open gradebook.
"""

import contextlib
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import TYPE_CHECKING

from nbformat import NotebookNode

from .host import WorkerLost, end_with_parent
from .intake import Submission, take_in, take_in_submitted
from .intake_file import Refused
from .project import ProjectError
from .records import cases_of
from .settings import Settings
from .verdict import Outcome, Verdict

if TYPE_CHECKING:
    from .verify import Worker

Graded = tuple[Submission | None, Outcome]

_worker: "Worker | None" = None
_lessons: dict[str, NotebookNode] = {}


def make_processes(count: int, start: Callable = end_with_parent, *told: object) -> Executor:
    """Processes that end with this one.

    Args:
        count: how many.
        start: what each of them calls first.
        told: its arguments.
    """
    return ProcessPoolExecutor(count, _context(), start, told)


def start_server() -> None:
    """Start the server of processes, so that it imports while the caller goes on."""
    if _context().get_start_method() == "forkserver":
        forkserver.ensure_running()


def _context() -> BaseContext:
    server = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if server else "spawn")
    if server:
        context.set_forkserver_preload(["grader.preloaded"])
    return context


def make_executor(settings: Settings, lessons: dict[str, NotebookNode], first: str | None) -> Executor:
    """Processes that each hold a worker, ready to grade with `grade_file`.

    Args:
        settings: how to grade.
        lessons: name -> the lesson as it was handed out.
        first: the lesson whose submissions are likely to come first, if that is known.
    """
    return make_processes(settings.workers, _start_worker, settings, lessons, first)


def _start_worker(settings: Settings, lessons: dict[str, NotebookNode], first: str | None) -> None:
    global _worker, _lessons
    end_with_parent()
    from .verify import Worker

    _worker, _lessons = Worker(settings), lessons
    if first:
        with contextlib.suppress(ProjectError):  # said by what is asked first
            _worker.sandbox(first)
    from . import preloaded  # noqa: F401  (while the sandbox starts, where no server has imported it)


def require_checks(lesson: str) -> None:
    """Raise ProjectError, in a process of `make_executor`, if the lesson has no checks."""
    _worker.sandbox(lesson)


def grade_file(file: Path, expected: str | None) -> Graded:
    """Grade one file, in a process of `make_executor`. A refused one has no submission.

    Args:
        file: as it was handed in.
        expected: the lesson it was handed in for; None takes the one it fits best.

    Returns:
        The submission, and the outcome with the cases of the checks' reports in their place.
    """
    began = time.perf_counter()
    try:
        submission = take_in_submitted(file, _lessons, expected) if expected else take_in(file, _lessons)
    except Refused as refusal:
        return None, Outcome(Verdict(file=str(file), lesson=expected, problem=str(refusal)))
    try:
        outcome = _worker.grade(submission)
    except WorkerLost:
        try:
            outcome = _worker.grade(submission)  # once more, in a new sandbox
        except WorkerLost as error:
            problem = f"The grader's worker broke twice on this file: {error}"
            outcome = Outcome(Verdict(file=str(file), lesson=submission.lesson, problem=problem))
    outcome.verdict.file = str(file)
    graded = submission if outcome.verdict.status == "graded" else None
    # The reports are objects of the checks, which need torch; the process that hands out has none.
    cases, seconds = cases_of(outcome.reports), time.perf_counter() - began
    return graded, replace(outcome, reports={}, cases=cases, seconds=seconds)
