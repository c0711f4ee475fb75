"""What a learner has earned in a lesson so far, in this session: for the learner's eyes, and for nobody's gradebook."""

import html
from dataclasses import dataclass

from .exercise import Exercise
from .report import Report

BY_HAND = "Written answers are marked by people, and not in it. What counts is the grader's own check of what you hand in."


@dataclass(frozen=True)
class Line:
    """One exercise: its name, the points that it is worth, and the report of its last check, None before the first."""

    name: str
    max_score: float
    report: Report | None

    @property
    def score(self) -> float:
        return self.report.score if self.report else 0.0

    @property
    def state(self) -> str:
        if self.report is None:
            return "not checked yet"
        if self.report.not_yet:
            return "not written yet"
        return "all cases pass" if self.report.passed else "some cases fail"


@dataclass(frozen=True)
class Standing:
    """The state of a lesson's exercises at one moment. Shows itself as a table in a notebook, as text elsewhere."""

    lines: tuple[Line, ...]

    @property
    def score(self) -> float:
        return float(sum(line.score for line in self.lines))

    @property
    def max_score(self) -> float:
        return float(sum(line.max_score for line in self.lines))

    @property
    def headline(self) -> str:
        unchecked = sum(line.report is None for line in self.lines)
        rest = f"; not checked yet in this session: {unchecked} of {len(self.lines)}" if unchecked else ""
        return f"Your score so far: {self.score:g} of {self.max_score:g} points{rest}"

    def __str__(self) -> str:
        width = max((len(line.name) for line in self.lines), default=0)
        rows = [
            f"  {line.name:{width}}  {line.score:4g} of {line.max_score:g}  {line.state}"
            for line in self.lines
        ]
        return "\n".join([self.headline, *rows, f"  {BY_HAND}"])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        # No colour but the theme's own, which in a page without a doctype a table takes only if told: the words say all.
        left, cell = 'style="text-align:left"', 'style="text-align:left;padding:.1em .8em"'
        head = "".join(
            f'<th scope="col" {cell}>{title}</th>' for title in ("exercise", "points", "last check")
        )
        rows = "".join(
            f'<tr><th scope="row" {cell[:-1]};font-weight:normal"><code>{html.escape(line.name)}</code></th>'
            f"<td {cell}>{line.score:g} of {line.max_score:g}</td><td {cell}>{line.state}</td></tr>"
            for line in self.lines
        )
        return (
            f'<div role="status" style="border-left:4px solid #888888;padding:.4em .8em;margin:.3em 0">'
            f"<strong>{self.headline}</strong>"
            f'<table style="margin:.4em 0;color:inherit"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
            f"<div {left}>{BY_HAND}</div></div>"
        )


class LessonScore:
    """The exercises of a lesson in its order; calling it gives what each has earned at its last check."""

    def __init__(self, *exercises: Exercise):
        self.exercises = exercises

    def __call__(self) -> Standing:
        return Standing(tuple(Line(e.name, e.max_score, e.last) for e in self.exercises))
