"""Grade single files or a class, one submission after the other. One bad file never stops the rest."""

import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import reward_lab

from .build import make_course, released_notebook
from .gradebook import STATE, CourseError, grade, pristine_lessons
from .intake import Refused, Submission, take_in
from .verdict import Verdict


@dataclass
class Settings:
    """How to grade."""

    seed: str | None = None
    """What the inputs of checks are drawn from. None: the course's own secret, made on first use."""
    device: str = "cpu"
    """`cpu` or `cuda`."""
    timeout: int = 60
    """Seconds that one cell may run."""

    def environment(self) -> dict[str, str]:
        """What the checks read."""
        return {"REWARD_LAB_SEED": self.seed, "REWARD_LAB_DEVICE": self.device}


def grade_files(files: Iterable[Path], settings: Settings) -> Iterator[Verdict]:
    """Grade files outside any course, each as soon as it is asked for."""
    with tempfile.TemporaryDirectory(prefix="reward-lab-") as temporary:
        course = Path(temporary)
        make_course(course)
        lessons = pristine_lessons(course)
        for number, file in enumerate(files, 1):
            yield _grade_one(course, f"file-{number}", file, lessons, None, settings)


def grade_class(course: Path, lesson: str, settings: Settings) -> Iterator[tuple[str, Verdict, bool]]:
    """Grade submitted/<student>/<lesson>/ for every student of a course.

    Yields (student, verdict, fresh) as each is done; fresh is false where nothing had changed since the
    last run, and then nothing was graded. A run that was interrupted can thus be started again.

    Raises:
        CourseError: there is no such course, lesson or submission.
    """
    lessons = pristine_lessons(course)
    if lesson not in lessons:
        raise CourseError(f"the course has no lesson {lesson}. It has: {', '.join(lessons)}")
    folders = sorted(path for path in (course / "submitted").glob(f"*/{lesson}") if path.is_dir())
    if not folders:
        raise CourseError(f"no submissions: expected {course}/submitted/<student>/{lesson}/{lesson}.ipynb")
    settings = Settings(settings.seed or _course_seed(course), settings.device, settings.timeout)
    for folder in folders:
        student = folder.parent.name
        file = _submitted_file(folder, lesson)
        key = _key(file, released_notebook(course, lesson), settings)
        record = course / STATE / "verdicts" / lesson / f"{student}.json"
        known = _read_record(record, key)
        if known and (course / "autograded" / student / lesson).is_dir() == (known.status == "graded"):
            yield student, known, False
            continue
        verdict = _grade_one(course, student, file, lessons, lesson, settings)
        _write_record(record, key, verdict)
        yield student, verdict, True


def _grade_one(
    course: Path, student: str, file: Path, lessons: dict, expected: str | None, settings: Settings
) -> Verdict:
    submission: Submission | None = None
    try:
        submission = take_in(file, lessons, expected)
        verdict = grade(course, student, submission, settings.environment(), settings.timeout)
    except Refused as refusal:
        verdict = Verdict(file="", lesson=submission.lesson if submission else expected, problem=str(refusal))
        verdict.notes = submission.notes if submission else []
    verdict.file = str(file)
    return verdict


def _submitted_file(folder: Path, lesson: str) -> Path:
    """The notebook in a submission's folder: the one with the lesson's name, else the newest."""
    named = folder / f"{lesson}.ipynb"
    others = sorted(folder.glob("*.ipynb"), key=lambda path: (path.stat().st_mtime, path.name))
    return named if named.exists() or not others else others[-1]


def _course_seed(course: Path) -> str:
    """The course's secret, the same for the whole class; made once, readable by its owner only."""
    path = course / STATE / "seed"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(16))
    return path.read_text().strip()


def _key(file: Path, pristine: Path, settings: Settings) -> str:
    """Changes whenever the grade could: with the file, the lesson, the checks, the package, seed or device."""
    digest = hashlib.sha256(json.dumps([settings.seed, settings.device, settings.timeout]).encode())
    package = sorted(Path(reward_lab.__file__).parent.rglob("*.py")) + sorted(
        Path(__file__).parent.glob("*.py")
    )
    for path in (file, pristine, *package):
        content = path.read_bytes() if path.is_file() else b""
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def _read_record(record: Path, key: str) -> Verdict | None:
    if not record.exists():
        return None
    saved = json.loads(record.read_text(encoding="utf-8"))
    return Verdict.from_json(saved["verdict"]) if saved["key"] == key else None


def _write_record(record: Path, key: str, verdict: Verdict) -> None:
    """Written whole or not at all, so that a run killed here finds either the old state or the new one."""
    record.parent.mkdir(parents=True, exist_ok=True)
    draft = record.with_suffix(".draft")
    draft.write_text(json.dumps({"key": key, "verdict": verdict.to_json()}), encoding="utf-8")
    os.replace(draft, record)
