"""Marks on their way out: what stands for each student, and what has to be told before anybody sees a number.

python -m grader export COURSE_DIR LESSON --for canvas --roster FILE.csv [-o FILE.csv] [--feedback FILE.zip]
python -m grader export COURSE_DIR LESSON --for moodle --roster WORKSHEET.csv ...
python -m grader export COURSE_DIR LESSON --for csv ...
"""

from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.api import SubmittedAssignment

from .database import course_gradebook
from .project import course_project
from .records import sources_digest, why_stale


@dataclass
class Mark:
    """What a student gets.

    Fields: `score`, after `penalty` for lateness; None if there is no mark; `max_score`; `auto` and `manual`, its parts;
    `problems`, why it can't be handed on as it is.
    """

    student: str
    score: float | None = None
    max_score: float = 0.0
    auto: float = 0.0
    manual: float = 0.0
    penalty: float = 0.0
    problems: list[str] = field(default_factory=list)


def marks(course: Path, lesson: str) -> list[Mark]:
    """The marks of a lesson, one for each student who handed in or was graded, by name."""
    sources = sources_digest(course, lesson, course_project(course))
    folders = {path.parent.name for path in (course / "submitted").glob(f"*/{lesson}") if path.is_dir()}
    with course_gradebook(course) as gradebook:
        graded = {record.student.id: record for record in gradebook.assignment_submissions(lesson)}
        return [
            _mark(student, graded.get(student), why_stale(course, lesson, student, sources))
            for student in sorted(folders | graded.keys())
        ]


def _mark(student: str, record: SubmittedAssignment | None, stale: str | None) -> Mark:
    mark = Mark(student, problems=[stale] if stale else [])
    if record is None:
        mark.problems = mark.problems or ["was not graded"]
        return mark
    mark.max_score, mark.penalty = record.max_score, record.late_submission_penalty or 0.0
    mark.score = max(0.0, record.score - mark.penalty)
    for notebook in record.notebooks:
        for grade in notebook.grades:
            given = grade.manual_score is not None
            mark.manual += grade.manual_score or 0.0
            mark.auto += 0.0 if given else grade.auto_score or 0.0
            if grade.auto_score is None and not given:
                mark.problems.append(f"`{grade.name}` has no mark by hand yet (0 of {grade.max_score:g})")
            elif given and grade.needs_manual_grade:
                mark.problems.append(
                    f"`{grade.name}` was marked by hand, and its answer was graded again since"
                )
    if mark.penalty:
        mark.problems.append(f"{mark.penalty:g} points are taken off for lateness")
    return mark


def told(found: list[Mark]) -> list[str]:
    """A line for each thing to know before marks are handed on."""
    return [f"{mark.student}: {problem}" for mark in found for problem in mark.problems]
