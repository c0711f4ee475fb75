"""What a class got right and wrong in a lesson, counted for the person who teaches it.

    python -m grader report COURSE_DIR [LESSON] [--html FILE] [--anonymous] [--names]

It reads the verdicts that `run` kept, the gradebook and the autograded notebooks. It grades nothing and writes nothing.
"""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode
from nbgrader.api import BaseCell, Grade, SubmittedAssignment, SubmittedNotebook

from .cells import is_answer, is_check
from .database import course_gradebook
from .project import course_project
from .records import Record, record_of, sources_digest, why_stale
from .report_answers import Way, ways_of
from .submitted import printable

NO_NAME = "another mistake, which the check has no name for"
STALE = {
    "submission changed": "handed in again since, grade again",
    "grader changed": "lesson, checks or grader changed since, grade again",
    "no verdict": "not graded by `run` yet",
}


@dataclass
class CaseCount:
    """How one case of a check went: students who solved it, who wrote nothing, and who got it wrong."""

    title: str
    points: float
    solved: int = 0
    not_written: int = 0
    wrong: int = 0

    @property
    def written(self) -> int:
        return self.solved + self.wrong


@dataclass
class ExerciseCount:
    """How one exercise went.

    Fields: `name`; `max_score`; `graded` students, of whom `full` have all of its points; `points`, their sum;
    `cases`; `mistakes`, name -> students, the commonest first; `ways`, answers that are alike.
    """

    name: str
    max_score: float
    graded: int = 0
    full: int = 0
    points: float = 0.0
    cases: list[CaseCount] = field(default_factory=list)
    mistakes: list[tuple[str, int]] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)


@dataclass
class ByHand:
    """A question that is marked by hand: whose answers wait, and the marks given so far."""

    name: str
    max_score: float
    waiting: list[str] = field(default_factory=list)
    empty: int = 0
    marks: list[float] = field(default_factory=list)


@dataclass
class LessonReport:
    """How a class did in a lesson.

    Fields: `handed_in`, students; `scores`, automatic points of those graded, and `max_score`; `exercises`;
    `refused`, reason -> students; `by_hand`; `seconds`, what grading each took; `stale`, what is out of date -> students;
    `without_cases`, how many verdicts are of an older grader, which kept no cases.
    """

    lesson: str
    handed_in: int = 0
    scores: list[float] = field(default_factory=list)
    max_score: float = 0.0
    exercises: list[ExerciseCount] = field(default_factory=list)
    refused: dict[str, list[str]] = field(default_factory=dict)
    by_hand: list[ByHand] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stale: dict[str, list[str]] = field(default_factory=dict)
    without_cases: int = 0

    @property
    def waiting(self) -> int:
        """Written answers that wait for a mark."""
        return sum(len(question.waiting) for question in self.by_hand)

    def to_teach_again(self, most: int = 3) -> list[tuple[ExerciseCount, CaseCount]]:
        """The cases that most of those who wrote an answer got wrong, if a quarter of them did at least."""
        found = [(e, case) for e in self.exercises for case in e.cases if case.wrong]
        found = [each for each in found if each[1].wrong >= each[1].written / 4]
        return sorted(found, key=lambda each: -each[1].wrong / each[1].written)[:most]


def report_on(course: Path, lesson: str, pristine: NotebookNode) -> LessonReport:
    """Count what the class did in a lesson.

    Args:
        course: its folder.
        lesson: its name.
        pristine: the lesson as it was handed out.

    Raises:
        ProjectError: the course's project is not where it was.
    """
    sources = sources_digest(course, lesson, course_project(course))
    students = sorted(
        path.parent.name for path in (course / "submitted").glob(f"*/{lesson}") if path.is_dir()
    )
    records = {student: Record.read(record_of(course, lesson, student)) for student in students}
    graded = {s: r for s, r in records.items() if r and r.verdict.status == "graded"}
    report = LessonReport(lesson, handed_in=len(students))
    report.scores = [record.verdict.score for record in graded.values()]
    report.seconds = [record.seconds for record in graded.values() if record.seconds is not None]
    for student, record in records.items():
        if record and record.verdict.status == "refused":
            report.refused.setdefault(_reason(record.verdict.problem), []).append(student)
        elif stale := why_stale(course, lesson, student, sources):
            report.stale.setdefault(_short(stale), []).append(student)
    checks = [cell for cell in pristine.cells if is_check(cell)]
    report.max_score = float(sum(cell.metadata.nbgrader.points for cell in checks))
    report.without_cases = sum(bool(r.verdict.checks) and not r.cases for r in graded.values())
    full = {student: _full(record) for student, record in graded.items()}
    answers = [check.id.removeprefix("check_") for check in checks]
    ways = ways_of(course, lesson, pristine, answers, full)
    for check, name in zip(checks, answers, strict=True):
        exercise = _exercise(check, list(graded.values()))
        exercise.ways = ways[name]
        report.exercises.append(exercise)
    report.by_hand = _by_hand(course, lesson, pristine)
    return report


def _exercise(check: NotebookNode, records: list[Record]) -> ExerciseCount:
    exercise = ExerciseCount(check.id.removeprefix("check_"), float(check.metadata.nbgrader.points))
    cases: dict[str, CaseCount] = {}
    mistakes: Counter[str] = Counter()
    spelt: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        for verdict in record.verdict.checks:
            if verdict.grade_id == check.id:
                exercise.graded += 1
                exercise.points += verdict.score
                exercise.full += verdict.score >= verdict.max_score
        own = set()
        for case in record.cases.get(check.id, []):
            count = cases.setdefault(case.title, CaseCount(case.title, case.max_points))
            count.solved += case.passed
            count.not_written += case.not_yet
            count.wrong += not case.passed and not case.not_yet
            if not case.passed and not case.not_yet:
                name = case.mistake or NO_NAME
                alike = re.sub(r"\d+(\.\d+)?(e[+-]?\d+)?", "0", name)  # some sentences quote what came out
                spelt[alike][name] += 1
                own.add(alike)
        mistakes.update(own)
    exercise.cases = list(cases.values())
    exercise.mistakes = [
        (spelt[name].most_common(1)[0][0], number) for name, number in mistakes.most_common()
    ]
    return exercise


def _full(record: Record) -> set[str]:
    """The exercises of which a student has all points."""
    done = [check for check in record.verdict.checks if check.score >= check.max_score]
    return {check.grade_id.removeprefix("check_") for check in done}


def _reason(problem: str) -> str:
    """Why a file was refused, without the names and places in it, which are the student's."""
    return re.sub(r" \(line \d+\)", "", re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`", "...", printable(problem)))


def _short(stale: str) -> str:
    return next((said for part, said in STALE.items() if part in stale), stale)


def _by_hand(course: Path, lesson: str, pristine: NotebookNode) -> list[ByHand]:
    """The questions that are marked by hand, with what the gradebook says of each student's answer."""
    asked = {
        cell.id: ByHand(cell.id, float(cell.metadata.nbgrader.points))
        for cell in pristine.cells
        if is_answer(cell) and cell.metadata.nbgrader.get("grade")
    }
    with course_gradebook(course) as gradebook:
        # One query: nbgrader's own objects ask the database again for every grade.
        rows = (
            gradebook.db.query(
                BaseCell.name,
                SubmittedAssignment.student_id,
                Grade.auto_score,
                Grade.manual_score,
                Grade.needs_manual_grade,
            )
            .join(Grade, Grade.cell_id == BaseCell.id)
            .join(SubmittedNotebook, SubmittedNotebook.id == Grade.notebook_id)
            .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
            .filter(SubmittedAssignment.assignment_id == gradebook.find_assignment(lesson).id)
            .order_by(SubmittedAssignment.student_id)
            .all()
        )
    for name, student, automatic, manual, waits in rows:
        if name not in asked:
            continue
        question = asked[name]
        if waits:
            question.waiting.append(student)
        elif manual is not None:
            question.marks.append(manual)
        elif automatic == 0:
            question.empty += 1
    return list(asked.values())
