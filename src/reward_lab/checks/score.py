"""What a lesson's exercises have earned so far, for the learner. No grade depends on it."""

import html
from types import ModuleType

from .exercise import CHECKED, Exercise

NOTE = "What counts is the last check of each exercise in this session. Written answers are marked by hand."


class Score:
    """The points of a lesson's exercises. Shows itself as a table in a notebook, as text elsewhere.

    Args:
        check: the lesson's module of exercises. Those that were checked come first, in that order.
    """

    def __init__(self, check: ModuleType):
        exercises: list[Exercise] = [getattr(check, name) for name in check.__all__]
        order = list(CHECKED)
        exercises.sort(key=lambda e: order.index(e.name) if e.name in order else len(order))
        self.rows = [(e.name, _said(e)) for e in exercises]
        earned = sum(CHECKED[e.name].score for e in exercises if e.name in CHECKED)
        self.headline = f"{earned:g} of {sum(e.max_score for e in exercises):g} points so far"

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self.rows)
        return "\n".join([self.headline, *(f"  {name:{width}}  {said}" for name, said in self.rows), NOTE])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        cells = "".join(
            f'<tr><td style="text-align:left"><code>{html.escape(name)}</code></td>'
            f'<td style="text-align:left">{said}</td></tr>'
            for name, said in self.rows
        )
        return (
            f'<div role="status"><strong>{self.headline}</strong>'
            f"<table>{cells}</table><div>{NOTE}</div></div>"
        )


def _said(exercise: Exercise) -> str:
    report = CHECKED.get(exercise.name)
    most = f"of {exercise.max_score:g}"
    if report is None:
        return f"0 {most}: not checked in this session"
    return f"{report.score:g} {most}" + (": not yet written" if report.not_yet else "")
