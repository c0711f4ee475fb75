"""Grade submissions in an nbgrader course: its gradebook, autograded/ and feedback/ are nbgrader's own."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.converters.base import BaseConverter, NbGraderException
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from .build import released_notebook, write_notebook
from .intake import Refused, Submission, is_check
from .nbgrader_config import configure
from .verdict import CheckVerdict, Verdict

STATE = ".reward-lab"
"""Folder in a course with what this grader keeps for itself."""


class CourseError(Exception):
    """The course folder can't be graded in. The message says what to do."""


def pristine_lessons(course: Path) -> dict[str, NotebookNode]:
    """The student version of every lesson that the course has released."""
    names = sorted(
        path.name for path in (course / "release").glob("*") if released_notebook(course, path.name).exists()
    )
    if not names or not (course / "gradebook.db").exists():
        raise CourseError(
            f"{course} is no course with lessons in it. Set one up: python -m grader.build --course {course}"
        )
    return {name: nbformat.read(released_notebook(course, name), as_version=4) for name in names}


def grade(
    course: Path, student: str, submission: Submission, settings: dict[str, str], timeout: int
) -> Verdict:
    """Grade one submission with nbgrader: gradebook, autograded notebook and feedback are written.

    Args:
        course: the course folder.
        student: nbgrader's id of the student.
        submission: as intake gives it.
        settings: environment variables for the kernel, which tell the checks their seed and device.
        timeout: seconds that one cell may run.

    Raises:
        Refused: nbgrader could not grade it.
    """
    staged = course / STATE / "staged" / student / submission.lesson
    shutil.rmtree(staged, ignore_errors=True)
    write_notebook(submission.notebook, staged / f"{submission.lesson}.ipynb")
    timestamp = course / "submitted" / student / submission.lesson / "timestamp.txt"
    if timestamp.exists():
        shutil.copy(timestamp, staged)
    with _environment(settings):
        _convert(Autograde, course, student, submission.lesson, timeout)
    _convert(GenerateFeedback, course, student, submission.lesson, timeout)
    return _read_verdict(course, student, submission)


def _convert(converter: type[BaseConverter], course: Path, student: str, lesson: str, timeout: int) -> None:
    """Run one of nbgrader's converters on one student, its log going to a file in the course."""
    config = configure(_course_settings(course), timeout)
    # nbgrader takes an id for a glob pattern, so a student called [x] needs escaping.
    escaped = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in student)
    directory = CourseDirectory(
        config=config, root=str(course.resolve()), assignment_id=lesson, student_id=escaped
    )
    directory.submitted_directory = f"{STATE}/staged"
    try:
        converter(coursedir=directory, config=config, force=True, log=_course_log(course)).start()
    except NbGraderException:
        raise Refused(
            "The notebook could not be run to its end: a cell ended the Python process, or used up its memory. "
            f"The log is in {STATE}/nbgrader.log."
        ) from None


def _course_settings(course: Path) -> Config:
    """What the course's own nbgrader_config.py sets."""
    if not (course / "nbgrader_config.py").exists():
        return Config()
    return PyFileConfigLoader("nbgrader_config.py", path=str(course.resolve())).load_config()


def _course_log(course: Path) -> logging.Logger:
    log = logging.getLogger(f"reward-lab.course.{course.resolve()}")
    if not log.handlers:
        log.setLevel(logging.INFO)
        log.propagate = False
        (course / STATE).mkdir(parents=True, exist_ok=True)
        log.addHandler(logging.FileHandler(course / STATE / "nbgrader.log", encoding="utf-8"))
    return log


@contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Set environment variables for a while; the kernel inherits them."""
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _read_verdict(course: Path, student: str, submission: Submission) -> Verdict:
    """The grades as the gradebook has them, and what each check printed."""
    lesson = submission.lesson
    verdict = Verdict(file="", lesson=lesson, status="graded", notes=list(submission.notes))
    autograded = nbformat.read(course / "autograded" / student / lesson / f"{lesson}.ipynb", as_version=4)
    messages = {
        cell.metadata.nbgrader.grade_id: _message(cell) for cell in autograded.cells if is_check(cell)
    }
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "reward-lab") as gradebook:
        notebook = gradebook.find_submission_notebook(lesson, lesson, student)
        grades = {grade.name: (grade.auto_score, grade.max_score) for grade in notebook.grades}
    for name, message in messages.items():
        auto_score, max_score = grades.pop(name)
        verdict.checks.append(CheckVerdict(name, float(auto_score or 0.0), float(max_score), message))
    verdict.score = sum(check.score for check in verdict.checks)
    verdict.max_score = sum(check.max_score for check in verdict.checks)
    verdict.manual_max = float(sum(max_score for _, max_score in grades.values()))
    return verdict


def _message(cell: NotebookNode) -> str:
    """What a check cell said: its text, or the error that came in its place."""
    parts = []
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stdout":
            parts.append(output.text.strip())
        elif output.output_type == "error":
            parts.append(f"{output.ename}: {output.evalue}".strip(": "))
    return "\n".join(parts)
