"""Write outcomes into an nbgrader course: gradebook, autograded/ and feedback/. One process writes.

The gradebook is written through nbgrader's API and the feedback by nbgrader's converter, so Formgrader, feedback and
export work as in any nbgrader course.
"""

import logging
import os
import shutil
from functools import cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Comment, Grade, Gradebook, InvalidEntry
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties, getgrades, latesubmissions
from nbgrader.utils import compute_checksum, determine_grade
from sqlalchemy.exc import IntegrityError, OperationalError

from .build import released_notebook, write_notebook
from .database import (
    CourseError,
    course_gradebook,
    course_settings,
    database_url,
    is_there,
    shown,
    why,
)
from .intake import Submission
from .nbgrader_config import configure
from .project import STATE
from .verdict import Outcome

ATTEMPTS = 3
"""How often a student's grades are written where others write at the same time."""


def pristine_lessons(course: Path) -> dict[str, NotebookNode]:
    """The student version of every lesson that the course has released."""
    names = sorted(
        path.name for path in (course / "release").glob("*") if released_notebook(course, path.name).exists()
    )
    if not names or not is_there(database_url(course)):
        raise CourseError(
            f"{course} is no course with lessons in it. Set one up: python -m grader.build --course {course}"
        )
    return {name: nbformat.read(released_notebook(course, name), as_version=4) for name in names}


class CourseGradebook:
    """The gradebook and the autograded notebooks of one lesson in a course. A context manager."""

    def __init__(self, course: Path, lesson: str):
        self.course, self.lesson = course.resolve(), lesson
        self.config = configure(course_settings(course))
        self.coursedir = CourseDirectory(config=self.config, root=str(self.course), assignment_id=lesson)
        self.questions = marking_schemes(course, lesson)

    def __enter__(self) -> "CourseGradebook":
        self.gradebook = course_gradebook(self.course)
        return self

    def __exit__(self, *_: object) -> None:
        self.gradebook.close()

    def write(self, student: str, submission: Submission, outcome: Outcome) -> None:
        """Write one student's autograded notebook and grades. Marks and comments given by hand stay.

        The notebook is replaced whole, then the grades change in one transaction. Killed anywhere, a second call
        brings both to the same end.
        """
        notebook = autograded_notebook(submission, outcome, self.questions)
        folder = self.course / "autograded" / student / self.lesson
        file = folder / f"{self.lesson}.ipynb"
        draft = file.with_suffix(".draft")
        write_notebook(notebook, draft)
        os.replace(draft, file)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._write_grades(student, notebook)
                return
            except (OperationalError, IntegrityError, InvalidEntry) as error:  # somebody else was writing
                self.gradebook.db.rollback()
                if attempt == ATTEMPTS:
                    place = shown(database_url(self.course))
                    raise CourseError(f"the gradebook at {place} takes no grades: {why(error)}") from error

    def _write_grades(self, student: str, notebook: NotebookNode) -> None:
        self.gradebook.db.rollback()  # what a student before left half done
        self.gradebook.update_or_create_student(student)
        submitted = self.course / "submitted" / student / self.lesson
        timestamp = self.coursedir.get_existing_timestamp(str(submitted))
        known = {"timestamp": timestamp} if timestamp else {}
        submission = self.gradebook.update_or_create_submission(self.lesson, student, **known)
        (record,) = submission.notebooks
        # Whoever marks one of them by hand at this moment comes before or after, and is not overwritten.
        for kind in (Grade, Comment):
            mine = self.gradebook.db.query(kind).filter(kind.notebook_id == record.id)
            mine.populate_existing().with_for_update().all()
        cells = {
            cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata
        }
        for grade in record.grades:
            grade.auto_score, _ = determine_grade(cells[grade.name])
            # As nbgrader does it: what was marked by hand before, or can be marked in no other way, is to be looked at.
            grade.needs_manual_grade = grade.manual_score is not None or grade.auto_score is None
        for comment in record.comments:
            cell = cells[comment.name]
            untouched = cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
            comment.auto_comment = "No response." if untouched else None
        self.gradebook.db.commit()
        if submission.assignment.duedate is not None:
            self._assign_late_penalty(student, notebook)

    def _assign_late_penalty(self, student: str, notebook: NotebookNode) -> None:
        names = {"notebook": self.lesson, "assignment": self.lesson, "student": student}
        resources = {"nbgrader": {**names, "db_url": self.coursedir.db_url}}
        AssignLatePenalties(config=self.config, log=course_log(self.course)).preprocess(notebook, resources)


def marking_schemes(course: Path, lesson: str) -> dict[str, str]:
    """id -> the source of each question that has a marking scheme, with it. For graders and feedback only."""
    source = nbformat.read(course / "source" / lesson / f"{lesson}.ipynb", as_version=4)
    return {cell.id: cell.source for cell in source.cells if "BEGIN MARK SCHEME" in cell.source}


def autograded_notebook(submission: Submission, outcome: Outcome, questions: dict[str, str]) -> NotebookNode:
    """The submission with what each check said, what each cell raised, and the marking schemes.

    Args:
        submission: as intake gives it.
        outcome: of grading it.
        questions: see marking_schemes.
    """
    notebook = nbformat.from_dict(submission.notebook)
    messages = {check.grade_id: check for check in outcome.verdict.checks}
    # Plain nodes: nbformat's makers validate each one, and the whole notebook is validated when it is written.
    for cell in notebook.cells:
        cell.source = questions.get(cell.id, cell.source)
        if cell.id in outcome.errors:
            name, value, trace = outcome.errors[cell.id]
            cell.outputs = [_output("error", ename=name, evalue=value, traceback=[trace])]
        elif cell.id in messages:
            check = messages[cell.id]
            # nbgrader reads the points from a result that is a number.
            points = {
                "data": {"text/plain": repr(float(check.score))},
                "metadata": {},
                "execution_count": None,
            }
            cell.outputs = [
                _output("stream", name="stdout", text=check.message + "\n"),
                _output("execute_result", **points),
            ]
    return notebook


def _output(output_type: str, **fields: object) -> NotebookNode:
    return nbformat.from_dict({"output_type": output_type, **fields})


def write_feedback(course: Path, student: str, lesson: str) -> None:
    """Write feedback/<student>/<lesson>/, with nbgrader's own converter."""
    use_one_gradebook()
    config = configure(course_settings(course))
    # nbgrader takes an id for a glob pattern, so a student called [x] needs escaping.
    escaped = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in student)
    directory = CourseDirectory(
        config=config, root=str(course.resolve()), assignment_id=lesson, student_id=escaped
    )
    GenerateFeedback(coursedir=directory, config=config, force=True, log=course_log(course)).start()


def forget(course: Path, student: str, lesson: str) -> None:
    """Remove what an earlier, graded version of a refused submission left in the course's folders.

    The gradebook is left alone: marks given by hand may stand there.
    """
    for folder in ("autograded", "feedback"):
        shutil.rmtree(course / folder / student / lesson, ignore_errors=True)


def course_log(course: Path) -> logging.Logger:
    """nbgrader's messages about a course go to a file in it."""
    log = logging.getLogger(f"reward-lab.course.{course.resolve()}")
    if not log.handlers:
        log.setLevel(logging.INFO)
        log.propagate = False
        (course / STATE).mkdir(parents=True, exist_ok=True)
        log.addHandler(logging.FileHandler(course / STATE / "nbgrader.log", encoding="utf-8"))
    return log


def use_one_gradebook() -> None:
    """Let nbgrader's preprocessors share one open gradebook in this process: they open it once for each student."""
    getgrades.Gradebook = latesubmissions.Gradebook = _kept


class _KeptGradebook(Gradebook):
    def close(self) -> None:
        self.db.remove()  # what it held is read again; the connection stays


_kept = cache(_KeptGradebook)
