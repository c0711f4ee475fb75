"""The verdicts that a course keeps, and what each of them was given on: so that an old one is known as such."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .build import released_notebook
from .project import STATE, Project
from .submitted import content_digest, submitted_file
from .verdict import Verdict

if TYPE_CHECKING:  # with torch, which not every process needs
    from reward_lab.checks.report import Report


def sources_digest(course: Path, lesson: str, project: Project) -> bytes:
    """Changes with everything that all grades of a lesson depend on: the lesson, its checks, the packages, this grader."""
    digest = hashlib.sha256()
    folders = (*project.packages().values(), Path(__file__).parent)
    files = (
        path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"
    )
    for path in (released_notebook(course, lesson), *sorted(files)):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()


def record_of(course: Path, lesson: str, student: str) -> Path:
    """The file that a student's verdict is kept in."""
    return course / STATE / "verdicts" / lesson / f"{student}.json"


@dataclass(frozen=True)
class Case:
    """What came of one case of a check. `mistake` is its name as a class is told of it, or empty."""

    title: str
    points: float
    max_points: float
    passed: bool
    not_yet: bool
    mistake: str


@dataclass
class Record:
    """What is kept of a student's grade.

    Fields: `key`, of the grade, settings and seed included; `verdict`; `content` and `sources`, see content_digest and
    sources_digest, in hexadecimal; `cases`, by the id of the check's cell; `seconds`, what grading took by the clock, None
    if an older grader did it.
    """

    key: str
    verdict: Verdict
    content: str | None = None
    sources: str | None = None
    cases: dict[str, list[Case]] = field(default_factory=dict)
    seconds: float | None = None

    @classmethod
    def read(cls, file: Path) -> "Record | None":
        """The record in a file, None if there is none."""
        if not file.exists():
            return None
        kept = json.loads(file.read_text(encoding="utf-8"))
        cases = {check: [Case(*case) for case in found] for check, found in kept.get("cases", {}).items()}
        told = (kept.get("content"), kept.get("sources"), cases, kept.get("seconds"))
        return cls(kept["key"], Verdict.from_json(kept["verdict"]), *told)


def cases_of(reports: "Mapping[str, Report]") -> dict[str, list[Case]]:
    """The cases of each check, by the id of its cell."""
    return {
        check: [Case(r.title, r.points, r.max_points, r.passed, r.not_yet, r.mistake) for r in report.results]
        for check, report in reports.items()
    }


def read_record(record: Path, key: str) -> Verdict | None:
    """The verdict that was kept under this key, if it is the last one."""
    kept = Record.read(record)
    return kept.verdict if kept and kept.key == key else None


def write_record(
    record: Path,
    key: str,
    verdict: Verdict,
    content: bytes,
    sources: bytes,
    cases: Mapping[str, list[Case]] | None = None,
    seconds: float | None = None,
) -> None:
    """Written whole or not at all, so that a run killed here finds either the old state or the new one.

    Args:
        record: see record_of.
        key, verdict, cases, seconds: see Record.
        content: see content_digest.
        sources: see sources_digest.
    """
    record.parent.mkdir(parents=True, exist_ok=True)
    draft = record.with_suffix(".draft")
    kept = {"key": key, "verdict": verdict.to_json(), "content": content.hex(), "sources": sources.hex()}
    kept["cases"] = {check: [astuple(case) for case in found] for check, found in (cases or {}).items()}
    kept["seconds"] = seconds if seconds is None else round(seconds, 3)
    draft.write_text(json.dumps(kept), encoding="utf-8")
    os.replace(draft, record)


def why_stale(course: Path, lesson: str, student: str, sources: bytes) -> str | None:
    """Why the automatic mark in the gradebook can't be handed on, or None if it stands.

    Args:
        course, lesson, student: whose mark.
        sources: see sources_digest, as of now.
    """
    folder = course / "submitted" / student / lesson
    record = record_of(course, lesson, student)
    if not folder.is_dir():
        return "has a mark, and nothing lies in submitted/ any more"
    kept = Record.read(record)
    if kept is None:
        return "has no verdict of `run`, so nobody can tell whether the mark stands: grade with `run`"
    if kept.content != content_digest(submitted_file(folder, lesson)).hex():
        return "the submission changed since it was graded: grade again"
    if kept.verdict.status == "refused":
        return f"the submission was refused: {kept.verdict.problem}"
    if kept.sources != sources.hex():
        return "lesson, checks or grader changed since it was graded: grade again"
    return None
