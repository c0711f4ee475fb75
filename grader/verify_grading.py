"""Grade one submission, within its time. Runs no student code."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from nbformat import NotebookNode

from reward_lab.checks.exercise import Exercise, SubjectMaker
from reward_lab.checks.report import Report

from .cells import is_answer
from .host import UNSAFE
from .intake import Submission
from .project import Project
from .sandbox import Sandbox
from .settings import Settings
from .verdict import CheckVerdict, Outcome, Verdict
from .verify_faults import cut
from .verify_sessions import Sessions
from .verify_subject import RemoteSubject
from .withheld import source_of

T = TypeVar("T")
MAX_MESSAGE = 2000
MAX_PRINTED = 4000
MAX_NOTES = 100


def exercise_of(check: NotebookNode, lesson: str, project: Project) -> Exercise:
    """The exercise that a check cell of a project's lesson asks for: check.NAME in the lesson's room."""
    return getattr(project.checks(lesson), check.id.removeprefix("check_"))


class Grading:
    """Grading of one submission, within its time."""

    def __init__(self, sandbox: Sandbox, submission: Submission, settings: Settings):
        self.submission, self.settings = submission, settings
        self.sessions = Sessions(sandbox, submission, settings)
        self.checks = self.sessions.checks
        self.exercises = {
            cell.id: exercise_of(cell, submission.lesson, settings.project) for cell in self.checks
        }
        self.sessions.given = self._given()

    def outcome(self) -> Outcome:
        self.sessions.clock.share(2)  # one half for the cells, one for the checks
        self.sessions.run_all_cells()
        results = self._of_each_check(
            lambda check: self.exercises[check.id].run(self._subjects(check), self.settings.seed)
        )
        reports = self._of_each_check(
            lambda check: self.exercises[check.id].explained(results[check.id], self._subjects(check))
        )
        own = [UNSAFE] if self.settings.unsafe else []
        reports = {name: _capped(report) for name, report in reports.items()}
        lost = any(report.score < report.max_score for report in reports.values())
        notes = [*self.submission.notes, *own, *self.sessions.notes]
        notes += self.sessions.faults.notes() if lost else []
        verdict = Verdict(file="", lesson=self.submission.lesson, status="graded", notes=notes)
        for check in self.checks:
            report, points = reports[check.id], float(check.metadata.nbgrader.points)
            verdict.checks.append(CheckVerdict(check.id, report.score, points, str(report)))
        verdict.notes = _first_of(notes)
        verdict.score = sum(check.score for check in verdict.checks)
        verdict.max_score = sum(check.max_score for check in verdict.checks)
        verdict.manual_max = float(
            sum(
                cell.metadata.nbgrader.points
                for cell in self.submission.notebook.cells
                if is_answer(cell) and cell.metadata.nbgrader.get("grade")
            )
        )
        return Outcome(verdict, reports, self.sessions.faults.errors())

    def _given(self) -> dict[str, list[dict]]:
        """What the answer to each check may use of the packages, though another exercise asks for it."""
        project, lesson = self.settings.project, self.submission.lesson
        given = {}
        for check, exercise in self.exercises.items():
            found = [(name, *source_of(project, lesson, name)) for name in exercise.uses]
            given[check] = [{"module": m, "name": name, "source": source} for name, m, source in found]
        return given

    def _of_each_check(self, ask: Callable[[NotebookNode], T]) -> dict[str, T]:
        """What `ask` gives for each check, in a session of their own and each within its share of the time.

        What one answer may use can be another's answer: that one's check is over before.
        """
        answers = {}
        for number, check in enumerate(sorted(self.checks, key=lambda cell: self._depth(cell.id))):
            self.sessions.clock.share(len(self.checks) - number)
            answers[check.id] = ask(check)
            self.sessions.leave(check)
        self.sessions.end_session()
        return answers

    def _depth(self, check: str) -> int:
        """How many exercises stand, one using the next, behind a check's."""
        asked = [f"check_{name}" for name in self.exercises[check].uses]  # or parts of these, asked by nobody
        return max((1 + self._depth(each) for each in asked if each in self.exercises), default=0)

    def _subjects(self, check: NotebookNode) -> SubjectMaker:
        """Makes the Subjects of one check, all of them served by the same process."""
        name, device = self.exercises[check.id].name, self.settings.device
        faults = self.sessions.faults

        def ask(request: dict, earlier: list[dict]) -> object:
            return self.sessions.ask_about(check, request, earlier)

        return lambda seed: RemoteSubject(ask, faults, name, device, seed)


def _capped(report: Report) -> Report:
    """The report with no text longer than a page can take; some of it is the student's."""
    return replace(
        report,
        results=tuple(
            replace(
                result, message=cut(result.message, MAX_MESSAGE), printed=cut(result.printed, MAX_PRINTED)
            )
            for result in report.results
        ),
    )


def _first_of(notes: list[str]) -> list[str]:
    rest = len(notes) - MAX_NOTES
    return [cut(note) for note in notes[:MAX_NOTES]] + ([f"... and {rest} more notes"] if rest > 0 else [])
