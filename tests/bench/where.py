"""Where the time of one submission goes, and how much of it is the student's own code."""

import functools
import gc
import os
import time
from collections import Counter
from pathlib import Path

import torch
import torch._dynamo  # noqa: F401  (the first optimizer step would import it)

from grader.gradebook import CourseGradebook, pristine_lessons
from grader.intake import take_in
from grader.project import own_project
from grader.sandbox import Sandbox
from grader.settings import Settings
from grader.verify import Worker
from grader.verify_grading import exercise_of
from grader.verify_sessions import Sessions
from reward_lab.checks.subject import LocalSubject

SECRET = "bench"


class Stopwatch:
    """Adds up the seconds spent in named methods, for as long as it is open."""

    def __init__(self):
        self.seconds: Counter = Counter()
        self._undo: list = []

    def watch(self, owner: type, method: str, name_of) -> None:
        original = getattr(owner, method)

        @functools.wraps(original)
        def timed(*arguments, **options):
            start = time.perf_counter()
            try:
                return original(*arguments, **options)
            finally:
                self.seconds[name_of(*arguments)] += time.perf_counter() - start

        setattr(owner, method, timed)
        self._undo.append((owner, method, original))

    def __enter__(self) -> "Stopwatch":
        return self

    def __exit__(self, *_: object) -> None:
        for owner, method, original in self._undo:
            setattr(owner, method, original)


def breakdown(course: Path, lesson: str) -> None:
    """Grade the course's submissions one after the other on one core, and print the parts in milliseconds.

    Args:
        course: with submissions. The first two warm everything up and are not counted.
        lesson: which.
    """
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        _breakdown(course, lesson)
    finally:
        os.sched_setaffinity(0, cores)


def _breakdown(course: Path, lesson: str) -> None:
    torch.set_num_threads(1)
    lessons = pristine_lessons(course)
    files = sorted((course / "submitted").glob(f"*/{lesson}/*.ipynb"))
    with (
        Stopwatch() as watch,
        Worker(Settings(SECRET)) as worker,
        CourseGradebook(course, lesson) as gradebook,
    ):
        worker.sandbox().wait_until_ready()
        gc.freeze()
        watch.watch(Sandbox, "open_session", lambda *_: "starting a session")
        watch.watch(Sandbox, "end_session", lambda *_: "ending it")
        watch.watch(Sessions, "_run_cell", lambda *_: "running its cells")
        watch.watch(Sessions, "_fork_copy", lambda *_: "forking a copy for each check")
        watch.watch(Sessions, "_asked", lambda *_: "calling its answers, and the way there and back")
        watch.watch(Worker, "grade", lambda *_: "grade")
        watch.watch(CourseGradebook, "write", lambda *_: "writing gradebook and autograded notebook")
        for number, file in enumerate(files):
            if number == 2:
                watch.seconds.clear()
            start = time.perf_counter()
            submission = take_in(file, lessons, lesson)
            watch.seconds["intake"] += time.perf_counter() - start
            gradebook.write(file.parent.parent.name, submission, worker.grade(submission))
        parts = dict(watch.seconds)
    whole = parts.pop("grade")
    outside = ("intake", "writing gradebook and autograded notebook")
    parts["judging"] = whole - sum(seconds for name, seconds in parts.items() if name not in outside)
    counted = len(files) - 2
    print("\nWhere the time of one submission goes, on one core, in milliseconds")
    for name, seconds in sorted(parts.items(), key=lambda part: -part[1]):
        print(f"  {1000 * seconds / counted:6.1f}  {name}")
    total = 1000 * sum(parts.values()) / counted
    own = own_milliseconds(submission)
    print(f"  {total:6.1f}  in all; the same answers called in one warm process take {own:.1f}", flush=True)


def own_milliseconds(submission) -> float:
    """CPU time of the answers alone, called as the checks call them, in this process: what no grader can go below."""
    namespace: dict = {}
    exec("import torch, numpy as np, reward_lab as rl\nfrom torch.utils.data import Dataset", namespace)
    cells = submission.notebook.cells
    for cell in cells:
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution"):
            exec(cell.source, namespace)
    spent = 0.0
    with Stopwatch() as watch:
        watch.watch(LocalSubject, "_ask", lambda subject, *_: "own" if subject.target in mine else "judge")
        mine = {namespace[cell.id.removeprefix("check_")] for cell in cells if cell.id.startswith("check_")}
        for _ in range(2):  # the first time warms up
            watch.seconds.clear()
            for cell in cells:
                if cell.id.startswith("check_"):
                    exercise = exercise_of(cell, submission.lesson, own_project())
                    exercise.run(
                        lambda seed, e=exercise: LocalSubject(namespace[e.name], "cpu", seed), SECRET
                    )
            spent = watch.seconds["own"]
    torch.manual_seed(0)
    return 1000 * spent
