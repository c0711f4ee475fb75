"""Grade single files or a class. One bad file never stops the rest.

Workers grade, in processes of their own (see grading_process); this process hands out files and writes what comes back.
The workers are a concurrent.futures executor, so that a cluster's can take its place.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future, as_completed
from dataclasses import replace
from pathlib import Path

from .build import student_notebooks
from .gradebook import STATE, CourseError, CourseGradebook, forget, pristine_lessons, write_feedback
from .grading_process import grade_file, make_executor, make_processes, require_checks, start_server
from .host import SandboxError, sandbox_problem
from .project import course_project
from .records import read_record, record_of, sources_digest, write_record
from .settings import Settings
from .submitted import content_digest, submitted_file
from .verdict import Verdict
from .verify_faults import cut


def require_sandbox(settings: Settings) -> None:
    """Raise SandboxError if there is no sandbox on this machine, and `settings` do not allow grading without one."""
    problem = None if settings.unsafe else sandbox_problem()
    if problem:
        raise SandboxError(problem)


def grade_files(files: Iterable[Path], settings: Settings) -> Iterator[Verdict]:
    """Grade files outside any course, in the order in which they were given.

    Raises:
        SandboxError: see require_sandbox.
    """
    require_sandbox(settings)
    start_server()
    lessons, files = student_notebooks(settings.project), list(files)
    if not lessons:
        raise CourseError(
            f"{settings.project.root} has no lessons: expected {settings.project.sources}/NN_topic.py"
        )
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
            executor.submit(require_checks, lesson).result()  # said once, before any submission is graded
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
                    kept = outcome.cases, outcome.seconds
                    write_record(record_of(course, lesson, student), key, verdict, content, sources, *kept)
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
    with make_processes(workers) as executor:
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
