"""What grading one file came to."""

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # with torch, which not every process needs
    from reward_lab.checks.report import Report

    from .records import Case


@dataclass(frozen=True)
class CheckVerdict:
    """The outcome of one check cell: its `grade_id`, points, and what the student is told."""

    grade_id: str
    score: float
    max_score: float
    message: str


@dataclass
class Verdict:
    """The outcome for one file; the fields of a line of `python -m grader verify --json`."""

    file: str
    lesson: str | None = None
    status: str = "refused"
    """`graded` or `refused`."""
    score: float | None = None
    """Autograded points; None for a refused file, which is not the same as 0."""
    max_score: float | None = None
    manual_max: float | None = None
    """Points that are to be graded by hand, on top of max_score."""
    problem: str | None = None
    """Why the file was refused, in plain words."""
    notes: list[str] = field(default_factory=list)
    """What was put right, and what looks like tampering."""
    checks: list[CheckVerdict] = field(default_factory=list)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Verdict":
        """The inverse of to_json."""
        data = json.loads(text)
        return cls(**{**data, "checks": [CheckVerdict(**check) for check in data["checks"]]})

    @property
    def headline(self) -> str:
        """One line for a table: the points, or the reason for a refusal."""
        if self.status == "refused":
            return f"refused: {self.problem}"
        return f"{self.score:g} of {self.max_score:g}"


@dataclass
class Outcome:
    """What grading one submission came to.

    Fields: `verdict`; `reports`, the report of each check by the id of its cell; `errors`, what a cell
    raised, as (type, message, traceback), by the id of the cell; `cases`, what is kept of each report, by the id of
    the check's cell; `seconds`, what grading took by the clock.
    """

    verdict: Verdict
    reports: "dict[str, Report]" = field(default_factory=dict)
    errors: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    cases: "dict[str, list[Case]]" = field(default_factory=dict)
    seconds: float = 0.0
