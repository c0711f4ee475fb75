"""Grade single files or a class. One bad file never stops the rest.

Workers grade, in processes of their own; this process hands out files and writes what comes back. The
workers are a concurrent.futures executor, so that a cluster's can take its place.
"""

import gc
import hashlib
import json
import multiprocessing
import os
import secrets
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from nbformat import NotebookNode

from .build import student_notebooks
from .gradebook import STATE, CourseError, CourseGradebook, forget, pristine_lessons, write_feedback
from .intake import Submission, take_in, take_in_submitted
from .intake_file import Refused
from .project import course_project
from .records import read_record, record_of, sources_digest, write_record
from .sandbox import SandboxError, WorkerLost, end_with_parent, sandbox_problem
from .settings import Settings
from .submitted import content_digest, submitted_file
from .verdict import Verdict
from .verify import Worker
from .verify_faults import cut
from .verify_grading import Outcome

Graded = tuple[Submission | None, Outcome]

_worker: Worker | None = None
_lessons: dict[str, NotebookNode] = {}


def make_executor(settings: Settings, lessons: dict[str, NotebookNode], first: str | None) -> Executor:
    """Processes that each hold a worker, ready to grade with `grade_file`.

    Args:
        settings: how to grade.
        lessons: name -> the lesson as it was handed out.
        first: the lesson whose submissions are likely to come first, if that is known. It must have checks.
    """
    # spawn: a fork of this process would inherit its locks and its open gradebook.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(settings.workers, context, _start_worker, (settings, lessons, first))


def require_sandbox(settings: Settings) -> None:
    """Raise SandboxError if there is no sandbox on this machine, and `settings` do not allow grading without one."""
    problem = None if settings.unsafe else sandbox_problem()
    if problem:
        raise SandboxError(problem)


def _start_worker(settings: Settings, lessons: dict[str, NotebookNode], first: str | None) -> None:
    global _worker, _lessons
    end_with_parent()
    _worker, _lessons = Worker(settings), lessons
    if first:
        _worker.sandbox(first)  # it starts while this process goes on with its own imports
    import torch
    import torch._dynamo  # noqa: F401  (the first optimizer step would import it, for more than a second)

    torch.set_num_threads(1)
    gc.freeze()  # what was imported is never garbage; a collection then looks at replies only


def grade_file(file: Path, expected: str | None) -> Graded:
    """Grade one file, in a process of `make_executor`. A refused one has no submission.

    Args:
        file: as it was handed in.
        expected: the lesson it was handed in for; None takes the one it fits best.
    """
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
    return (submission if outcome.verdict.status == "graded" else None), outcome


def grade_files(files: Iterable[Path], settings: Settings) -> Iterator[Verdict]:
    """Grade files outside any course, in the order in which they were given.

    Raises:
        SandboxError: see require_sandbox.
    """
    require_sandbox(settings)
    lessons, files = student_notebooks(settings.project), list(files)
    if not lessons:
        raise CourseError(f"{settings.project.root} has no lessons: expected {settings.project.sources}/NN_topic.py")
    # A guess: a worker with the wrong lesson is replaced.
    first = next(
        (lesson for lesson in lessons if files and lesson in files[0].name), next(iter(lessons), None)
    )
    with make_executor(settings, lessons, first) as executor:
        for _, outcome in executor.map(grade_file, files, [None] * len(files)):
            yield outcome.verdict


def grade_class(course: Path, lesson: str, settings: Settings) -> Iterator[tuple[str, Verdict, bool]]:
    """Grade submitted/<student>/<lesson>/ for every student of a course.

    Yields (student, verdict, fresh) as each is done; fresh is false where nothing had changed since the
    last run, and then nothing was graded. A run that was interrupted can thus be started again.

    Raises:
        CourseError: there is no such course, lesson or submission.
        ProjectError: the project that the course was made from is not where it was, or the lesson has no checks.
        SandboxError: see require_sandbox.
    """
    lessons = pristine_lessons(course)
    if lesson not in lessons:
        raise CourseError(f"the course has no lesson {lesson}. It has: {', '.join(lessons)}")
    folders = sorted(path for path in (course / "submitted").glob(f"*/{lesson}") if path.is_dir())
    if not folders:
        raise CourseError(f"no submissions: expected {course}/submitted/<student>/{lesson}/{lesson}.ipynb")
    settings = replace(settings, seed=settings.seed or course_seed(course), project=course_project(course))
    settings.project.checks(lesson)  # said once, before any submission is graded
    sources = sources_digest(course, lesson, settings.project)
    told = json.dumps([settings.seed, settings.device, settings.timeout, settings.unsafe])
    to_do = {}
    for folder in folders:
        student = folder.parent.name
        file = submitted_file(folder, lesson)
        try:
            content = content_digest(file)
        except OSError as error:
            yield student, _failed(file, lesson, error), True
            continue
        key = hashlib.sha256(told.encode() + sources + content).hexdigest()
        known = read_record(record_of(course, lesson, student), key)
        if known and (course / "autograded" / student / lesson).is_dir() == (known.status == "graded"):
            yield student, known, False
        else:
            to_do[student] = (file, key, content)
    if to_do:
        require_sandbox(settings)
        with (
            make_executor(settings, lessons, lesson) as executor,
            CourseGradebook(course, lesson) as gradebook,
        ):
            futures: dict[Future, str] = {
                executor.submit(grade_file, file, lesson): student for student, (file, *_) in to_do.items()
            }
            for future in as_completed(futures):
                student = futures[future]
                file, key, content = to_do[student]
                try:
                    submission, outcome = future.result()
                    if submission is None:
                        forget(course, student, lesson)
                    else:
                        gradebook.write(student, submission, outcome)
                    verdict = outcome.verdict
                    write_record(record_of(course, lesson, student), key, verdict, content, sources)
                except (BrokenExecutor, SandboxError):
                    raise
                except Exception as error:  # whatever one folder holds, the class goes on
                    verdict = _failed(file, lesson, error)
                yield student, verdict, True


def _failed(file: Path, lesson: str, error: Exception) -> Verdict:
    """No grade, because this grader failed. It is not recorded, so the next run tries again."""
    problem = f"The grader failed on this submission ({type(error).__name__}: {cut(ascii(error))}). Look at its folder."
    return Verdict(file=str(file), lesson=lesson, problem=problem)


def write_missing_feedback(course: Path, lesson: str, workers: int = 1) -> Iterator[tuple[str, str | None]]:
    """Write feedback that is missing or older than its autograded notebook. Yields (student, what failed or None)."""
    late = [
        folder.parent.name
        for folder in sorted((course / "autograded").glob(f"*/{lesson}"))
        if _feedback_is_late(course, folder.parent.name, lesson)
    ]
    if not late:
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), end_with_parent) as executor:
        futures = {executor.submit(write_feedback, course, student, lesson): student for student in late}
        for future in as_completed(futures):
            error = future.exception()
            if isinstance(error, BrokenExecutor):
                raise error
            yield futures[future], None if error is None else cut(f"{type(error).__name__}: {error}")


def _feedback_is_late(course: Path, student: str, lesson: str) -> bool:
    autograded = course / "autograded" / student / lesson / f"{lesson}.ipynb"
    page = course / "feedback" / student / lesson / f"{lesson}.html"
    return autograded.exists() and (not page.exists() or page.stat().st_mtime < autograded.stat().st_mtime)


def course_seed(course: Path) -> str:
    """The course's secret, the same for the whole class; made once, readable by its owner only."""
    path = course / STATE / "seed"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(16))
    return path.read_text().strip()
