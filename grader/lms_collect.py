"""Choose each student's submission out of what an LMS hands out, and say of every file what came of it."""

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath

from .lms_names import Origin, origin
from .lms_zip import Unreadable, entries, is_junk
from .project import LESSON
from .submitted import MAX_PICTURE, PICTURE_TYPES

NOTEBOOK = re.compile(r"\.ipynb(?:\.txt|\.json)?$", re.IGNORECASE)
"""How a notebook's name ends; browsers add .txt or .json."""
UNKNOWN = (
    "its name says no student; known are the downloads of Canvas, Moodle, Blackboard, Brightspace and ILIAS"
)


@dataclass(frozen=True)
class Row:
    """What came of one file. Fields: `student`, the id here; `name`, `lms`, `file`; `taken`; `why`, a reason."""

    student: str
    name: str
    lms: str
    file: str
    taken: bool
    why: str = ""


@dataclass(frozen=True)
class Candidate:
    """A file that may be taken. Fields: `origin`; `file`, its name; `place`, where its bytes lie."""

    origin: Origin
    file: str
    place: Path


@dataclass
class Chosen:
    """What is taken of one student. Fields: `notebook`; `pictures`, name -> candidate."""

    notebook: Candidate
    pictures: dict[str, Candidate] = field(default_factory=dict)


class Collection:
    """The submissions of one lesson among downloaded files.

    Args:
        lesson: its name.
        answers: the names of its answer cells, by which a notebook of any name is known.
        scratch: an empty folder for what is read.

    Attributes: `rows`, one for each file; `chosen`, student -> what is taken.
    """

    def __init__(self, lesson: str, answers: Iterable[str], scratch: Path):
        self.lesson, self.scratch = lesson, scratch
        self._answers = [f'"{name}"'.encode() for name in answers]
        self._found: dict[str, list[Candidate]] = {}
        self._pictures: dict[str, list[Candidate]] = {}
        self._owners: dict[str, tuple[str, str]] = {}
        self._numbers = itertools.count()
        self.rows: list[Row] = []
        self.chosen: dict[str, Chosen] = {}

    def add(self, path: Path, name: str) -> None:
        """Take a downloaded file up: a zip file, or a single one whose path below the download folder is `name`."""
        if is_junk(name):
            return
        if path.suffix.lower() != ".zip" or origin(name):
            self._add_file(name, None, path.read_bytes)
            return
        self._add_zip(path, lambda inner: inner, path.name)

    def choose(self) -> None:
        """Choose one notebook of each student; the others get a row that says why not."""
        for student, found in sorted(self._found.items()):
            ranks = {candidate.place: self._rank(candidate) for candidate in found}
            *others, best = sorted(found, key=lambda candidate: ranks[candidate.place])
            remark = "handed in late" if best.origin.late else ""
            self.chosen[student] = Chosen(best)
            self._row(best, True, remark)
            for other in others:
                older = ranks[other.place][2:4] < ranks[best.place][2:4]
                why = "an earlier upload" if older else "a second notebook"
                self._row(other, False, f"{why}; `{best.file}` was taken")
        for student, pictures in sorted(self._pictures.items()):
            for picture in pictures:
                chosen = self.chosen.get(student)
                if chosen:
                    chosen.pictures[PurePosixPath(picture.file).name] = picture
                why = "" if chosen else "there is no notebook beside it"
                self._row(picture, bool(chosen), why)

    def _add_zip(self, source: Path | bytes, path_of, label: str, depth: int = 0) -> None:
        try:
            for entry in entries(source):
                self._add_file(path_of(entry.path), entry.problem, entry.read, depth)
        except Unreadable as error:
            self.rows.append(Row("", "", "", label, False, str(error)))

    def _add_file(self, path: str, problem: str | None, read, depth: int = 0) -> None:
        of = origin(path)
        if of is None or not of.student:
            self.rows.append(Row("", "", "", path, False, problem or UNKNOWN))
            return
        student = self._student(of)
        suffix = PurePosixPath(of.file).suffix.lower()
        is_notebook = bool(NOTEBOOK.search(of.file))
        if problem is None and not is_notebook and suffix not in (*PICTURE_TYPES, ".zip"):
            problem = "it is no notebook and no picture"
        content = None if problem else read()
        if problem is None and content is None:
            problem = "it is larger than it claims"
        if problem is None and suffix in PICTURE_TYPES and len(content) > MAX_PICTURE:
            problem = f"a picture may have {MAX_PICTURE >> 20} MB"
        if problem is None and suffix == ".zip":
            if depth:
                problem = "a zip file within a zip file of the student's"
            else:
                base = path[: len(path) - len(of.file)]
                self._add_zip(content, lambda inner: base + inner.replace("/", "_"), path, 1)
                return
        if problem:
            self.rows.append(Row(student, of.name, of.lms, of.file, False, problem))
            return
        place = self.scratch / str(next(self._numbers))
        place.write_bytes(content)
        kind = self._found if is_notebook else self._pictures
        kind.setdefault(student, []).append(Candidate(of, of.file, place))

    def _student(self, of: Origin) -> str:
        """The student's id, which no other student has, on no file system."""
        number, student = 1, of.student
        while self._owners.setdefault(student.casefold(), (of.lms, of.key)) != (of.lms, of.key):
            number += 1
            student = f"{of.student}-{number}"
        return student

    def _rank(self, candidate: Candidate) -> tuple:
        """The highest counts: holds the lesson's cells, isn't named as another lesson, came last, has the name."""
        content = candidate.place.read_bytes()
        holds = any(answer in content for answer in self._answers)
        name = PurePosixPath(candidate.file).name
        other = any(found != self.lesson for found in LESSON.findall(name.lower()) if self.lesson not in name)
        of = candidate.origin
        exact = NOTEBOOK.sub("", name) == self.lesson
        return holds, not other, of.when or datetime.min, of.order, exact, name

    def _row(self, candidate: Candidate, taken: bool, why: str) -> None:
        of = candidate.origin
        self.rows.append(Row(self._student(of), of.name, of.lms, candidate.file, taken, why))
