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
        self.rows = [(e.name, *_said(e)) for e in exercises]
        earned = sum(CHECKED[e.name].score for e in exercises if e.name in CHECKED)
        self.headline = f"{earned:g} of {sum(e.max_score for e in exercises):g} points so far"

    def __str__(self) -> str:
        width = max(len(name) for name, *_ in self.rows)
        rows = [f"  {name:{width}}  {points:10} {state}" for name, points, state in self.rows]
        return "\n".join([self.headline, *rows, NOTE])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        # No colour but the theme's own, which a table in a page without a doctype takes only if told.
        cell = 'style="text-align:left;padding:.1em .8em;font-weight:normal"'
        head = "".join(f'<th scope="col" {cell}>{t}</th>' for t in ("exercise", "points", "last check"))
        rows = "".join(
            f'<tr><th scope="row" {cell}><code>{html.escape(name)}</code></th>'
            f"<td {cell}>{points}</td><td {cell}>{state}</td></tr>"
            for name, points, state in self.rows
        )
        return (
            f'<div role="status"><strong>{self.headline}</strong><table style="margin:.4em 0;color:inherit">'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><div>{NOTE}</div></div>"
        )


def _said(exercise: Exercise) -> tuple[str, str]:
    """The points, and in words how the last check ended."""
    report = CHECKED.get(exercise.name)
    if report is None:
        return f"0 of {exercise.max_score:g}", "not checked in this session"
    state = "not yet written" if report.not_yet else "all cases pass" if report.passed else "some cases fail"
    return f"{report.score:g} of {exercise.max_score:g}", state
