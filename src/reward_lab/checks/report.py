"""What a check shows: a panel in a notebook, plain text elsewhere, points for nbgrader."""

import html
import os
from dataclasses import dataclass, replace

PRINTED_LINES = 12
HINTS = "Hints 1 to 3 and the solution idea stand folded below the task, for when you are stuck."


@dataclass(frozen=True)
class CaseResult:
    """The outcome of one case."""

    title: str
    points: float
    max_points: float
    passed: bool
    message: str = ""
    not_yet: bool = False
    printed: str = ""
    final: bool = False
    """Whether the message would be the same on any inputs."""
    again: str = ""
    """The call that failed, as code that the student can run; empty if it can't be given."""
    mistake: str = ""
    """What a class is told of it: the likely mistake, or "raises TypeError"; empty if it has no name."""


@dataclass(frozen=True)
class Report:
    """The outcome of one exercise. Shows itself as a panel in a notebook, as text elsewhere."""

    name: str
    first_step: str
    results: tuple[CaseResult, ...]

    @property
    def score(self) -> float:
        return float(sum(result.points for result in self.results))

    @property
    def max_score(self) -> float:
        return float(sum(result.max_points for result in self.results))

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results)

    @property
    def not_yet(self) -> bool:
        """Whether nothing has been written so far."""
        return all(result.not_yet for result in self.results)

    @property
    def headline(self) -> str:
        verdict = "not yet" if self.not_yet else "all cases pass" if self.passed else "some cases fail"
        return f"{self.name}: {verdict} ({self.score:g} of {self.max_score:g} points)"

    def __str__(self) -> str:
        lines = [self.headline]
        if self.not_yet:
            return f"{lines[0]}\n  Next step: {self.first_step}\n  {HINTS}"
        for result in _said_once(self.results):
            mark = "pass" if result.passed else "FAIL"
            lines.append(f"  [{mark}] {result.title} ({result.points:g} of {result.max_points:g})")
            if result.message:
                lines.append(f"         {result.message}")
            if result.again:
                lines.append(f"         to see it yourself: {result.again}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        # Colours only underline what the words say, and text takes the theme's own colour.
        colour = "#0072b2" if self.passed else "#888888" if self.not_yet else "#d55e00"
        parts = [
            f'<div role="status" style="border-left:4px solid {colour};padding:.4em .8em;margin:.3em 0">',
            f"<strong>{html.escape(self.headline)}</strong>",
        ]
        if self.not_yet:
            parts.append(f"<div>Next step: {_code(self.first_step)}</div><div>{HINTS}</div>")
        else:
            parts += [_case_html(result) for result in _said_once(self.results)]
            parts.append(_printed_html(self.results))
        return "".join(parts) + "</div>"


def _said_once(results: tuple[CaseResult, ...]) -> list[CaseResult]:
    """The results, in which a sentence that an earlier one says already is "as above"."""
    said: set[str] = set()
    shown = []
    for result in results:
        shown.append(replace(result, message="as above") if result.message in said else result)
        said |= {result.message} - {""}
    return shown


def _case_html(result: CaseResult) -> str:
    mark = "✓" if result.passed else "✗"
    line = f"{mark} {_code(result.title)} ({result.points:g} of {result.max_points:g})"
    message = f'<div style="margin-left:1.4em">{_code(result.message)}</div>' if result.message else ""
    if result.again:
        code = f"<code>{html.escape(result.again)}</code>"
        message += f'<div style="margin-left:1.4em">to see it yourself: {code}</div>'
    return f"<div>{line}{message}</div>"


def _printed_html(results: tuple[CaseResult, ...]) -> str:
    lines = [line for result in results for line in result.printed.splitlines()]
    if not lines:
        return ""
    rest = len(lines) - PRINTED_LINES
    shown = "\n".join(lines[:PRINTED_LINES] + ([f"... and {rest} more lines"] if rest > 0 else []))
    return f"<details><summary>Your code printed {len(lines)} lines</summary><pre>{html.escape(shown)}</pre></details>"


def _code(text: str) -> str:
    """Escape, and turn `this` into code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def present(report: Report) -> object:
    """The value of a check cell.

    In a notebook: the report, which draws its panel. Under `nbgrader autograde`: the points as a float,
    which nbgrader takes as partial credit, after the text on stdout. Under `nbgrader validate`: nothing
    if all is right.

    Raises:
        AssertionError: under `nbgrader validate`, with the text, if a case fails.
    """
    mode = os.environ.get("NBGRADER_EXECUTION")
    if mode == "autograde":
        print(report)
        return report.score
    if mode == "validate":
        if not report.passed:
            raise AssertionError(str(report))
        return None
    return report
