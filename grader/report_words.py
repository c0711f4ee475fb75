"""A class report in words: what stands on the page and in the terminal, and how much of it names anybody."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from .report import LessonReport

NO_EVIDENCE = (
    "Short answers are alike by nature, and the lesson itself suggests some of these. That answers are alike is no "
    "evidence of anything: show them to the class, and don't look for who wrote them."
)
STEP = 5


@dataclass(frozen=True)
class Words:
    """How a report speaks of students.

    Fields: `names`, whether it lists students where something is to be done; `anonymous`, for handing the page on: it
    tells shares in steps of 5 %, no counts but the size of the class, and quotes no student's code.
    """

    names: bool = False
    anonymous: bool = False

    def of(self, number: int, total: int) -> str:
        """So many of a class, in words."""
        if not self.anonymous:
            return f"{number} of {total}"
        share = self.percent(number, total)
        return f"under {STEP} %" if number and not share else f"about {share} %"

    def answers(self, number: int, total: int) -> str:
        """So many of the written answers, in words."""
        return f"{self.of(number, total)} {'of the ' if self.anonymous else ''}written answers"

    def percent(self, number: float, total: float) -> int:
        """A share in percent, in steps of 5 where nobody shall be counted."""
        share = 100 * number / total if total else 0.0
        return STEP * round(share / STEP) if self.anonymous else round(share)

    def listed(self, students: Iterable[str]) -> str:
        """The students by name, if names were asked for; else nothing."""
        return ", ".join(students) if self.names and not self.anonymous else ""


def points(value: float) -> str:
    """Points with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def span(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def time_told(report: LessonReport) -> str:
    """How long grading took, in one sentence."""
    if not report.seconds:
        return "How long grading took was not kept."
    usual, most, whole = median(report.seconds), max(report.seconds), sum(report.seconds)
    return (
        f"Grading one submission took {span(usual)} (the median), {span(most)} at the most, "
        f"and {span(whole)} of one worker's time for all of them."
    )


def lines(report: LessonReport, words: Words) -> list[str]:
    """The report of one lesson for a terminal."""
    graded, total = len(report.scores), report.handed_in
    said = [report.lesson, f"  handed in by {total} students, graded {words.of(graded, total)}"]
    if report.scores:
        said[-1] += f"; median {points(median(report.scores))} of {points(report.max_score)} automatic points"
    for title, found in (("refused", report.refused), ("out of date", report.stale)):
        for reason, students in found.items():
            who = words.listed(students)
            said.append(f"  {title}: {words.of(len(students), total)}: {reason}{f' ({who})' if who else ''}")
    for exercise, case in report.to_teach_again():
        share = words.answers(case.wrong, case.written)
        said.append(f"  teach again: {exercise.name}, {case.title}: wrong in {share}")
    for exercise in report.exercises:
        said.append(f"\n  {exercise.name}: full points {words.of(exercise.full, exercise.graded)}")
        for case in exercise.cases:
            said.append(f"    {words.of(case.solved, exercise.graded):>12}  {case.title}")
        for name, number in exercise.mistakes:
            said.append(f"    {words.of(number, exercise.graded):>12}  mistake: {name}")
    for question in report.by_hand:
        who = words.listed(question.waiting)
        waiting = words.of(len(question.waiting), graded) if question.waiting else "none"
        said.append(f"\n  {question.name}: waiting for a mark by hand: {waiting}{f' ({who})' if who else ''}")
    return [*said, f"\n  {time_told(report)}"]
