"""The verdicts that a course keeps, and what each of them was given on: so that an old one is known as such."""

import hashlib
import json
import os
from pathlib import Path

from .build import released_notebook
from .project import STATE, Project
from .submitted import content_digest, submitted_file
from .verdict import Verdict


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


def read_record(record: Path, key: str) -> Verdict | None:
    """The verdict that was kept under this key, if it is the last one."""
    if not record.exists():
        return None
    saved = json.loads(record.read_text(encoding="utf-8"))
    return Verdict.from_json(saved["verdict"]) if saved["key"] == key else None


def write_record(record: Path, key: str, verdict: Verdict, content: bytes, sources: bytes) -> None:
    """Written whole or not at all, so that a run killed here finds either the old state or the new one.

    Args:
        record: see record_of.
        key: of the grade, settings and seed included.
        verdict: what is kept.
        content: see content_digest.
        sources: see sources_digest.
    """
    record.parent.mkdir(parents=True, exist_ok=True)
    draft = record.with_suffix(".draft")
    kept = {"key": key, "verdict": verdict.to_json(), "content": content.hex(), "sources": sources.hex()}
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
    if not record.exists():
        return "has no verdict of `run`, so nobody can tell whether the mark stands: grade with `run`"
    kept = json.loads(record.read_text(encoding="utf-8"))
    verdict = Verdict.from_json(kept["verdict"])
    if kept.get("content") != content_digest(submitted_file(folder, lesson)).hex():
        return "the submission changed since it was graded: grade again"
    if verdict.status == "refused":
        return f"the submission was refused: {verdict.problem}"
    if kept.get("sources") != sources.hex():
        return "lesson, checks or grader changed since it was graded: grade again"
    return None
