"""Take submissions out of the zip files that an LMS hands out, into submitted/.

    python -m grader collect COURSE_DIR LESSON [FILE.zip ...]

and the same for `nbgrader zip_collect`, of which these are the plugins. Only notebooks and pictures are taken. What each
student handed in, and what was not taken and why, is printed and kept as a table, .reward-lab/collected/<lesson>.csv.
"""

import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from nbgrader.plugins import ExtractorPlugin, FileNameCollectorPlugin

from .cells import is_answer
from .gradebook import pristine_lessons
from .lms_collect import Candidate, Collection, Row
from .lms_csv import write_csv
from .project import STATE
from .submitted import PICTURE_TYPES, printable

COLUMNS = ("student", "name", "lms", "file", "taken", "why")


def collect(
    course: Path, lesson: str, downloads: Iterable[Path], folder_of: Callable[[str], Path] | None = None
) -> list[Row]:
    """Put each student's notebook and pictures into a folder. Returns a row for each file found.

    Args:
        course: the course's folder.
        lesson: its name.
        downloads: see read_downloads.
        folder_of: student -> where; None for submitted/<student>/<lesson>/.

    Raises:
        CourseError: there is no such course.
    """
    with tempfile.TemporaryDirectory(prefix="reward-lab-") as scratch:
        collection = read_downloads(course, lesson, downloads, Path(scratch))
        for student in collection.chosen:
            folder = folder_of(student) if folder_of else course / "submitted" / student / lesson
            write_submission(collection, student, folder)
    keep_table(course, lesson, collection)
    return collection.rows


def read_downloads(course: Path, lesson: str, downloads: Iterable[Path], scratch: Path) -> Collection:
    """What the downloaded files hold: zip files, single files, and folders of them."""
    pristine = pristine_lessons(course).get(lesson)
    answers = [cell.id for cell in pristine.cells if is_answer(cell)] if pristine else []
    collection = Collection(lesson, answers, scratch)
    for download in downloads:
        files = sorted(download.rglob("*")) if download.is_dir() else [download]
        for file in files:
            if file.is_file() and not file.is_symlink():
                name = file.relative_to(download).as_posix() if download.is_dir() else file.name
                collection.add(file, name)
    collection.choose()
    return collection


def write_submission(collection: Collection, student: str, folder: Path) -> None:
    """Write what was chosen of one student into a folder."""
    chosen = collection.chosen[student]
    folder.mkdir(parents=True, exist_ok=True)
    for name, candidate in {f"{collection.lesson}.ipynb": chosen.notebook, **chosen.pictures}.items():
        (folder / name).write_bytes(candidate.place.read_bytes())
    when = chosen.notebook.origin.when
    if when:
        # The LMS writes its own local time; no form says which zone. It is taken for this machine's.
        (folder / "timestamp.txt").write_text(when.astimezone().isoformat() + "\n", encoding="utf-8")


def keep_table(course: Path, lesson: str, collection: Collection) -> None:
    """Keep who was collected, for people (.csv) and for the way back to the LMS (.json)."""
    folder = course / STATE / "collected"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        (row.student, row.name, row.lms, row.file, "yes" if row.taken else "no", row.why)
        for row in collection.rows
    ]
    write_csv(folder / f"{lesson}.csv", COLUMNS, rows)
    known = {**origins(course, lesson), **{s: _told(c.notebook) for s, c in collection.chosen.items()}}
    (folder / f"{lesson}.json").write_text(
        json.dumps(known, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )


def _told(candidate: Candidate) -> dict[str, str]:
    of = candidate.origin
    return {"lms": of.lms, "key": of.key, "name": of.name, "prefix": of.prefix}


def origins(course: Path, lesson: str) -> dict[str, dict[str, str]]:
    """Student -> where the submission came from (`lms`, `key`, `name`, `prefix`), of all that were collected so far."""
    file = course / STATE / "collected" / f"{lesson}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def table(rows: list[Row]) -> str:
    """Rows as text: first who was taken, then what was not, with the reason."""
    lines = [f"{sum(row.taken for row in rows)} files taken, {sum(not row.taken for row in rows)} not"]
    for row in sorted(rows, key=lambda row: (not row.taken, row.student, row.file)):
        who = row.student or "(nobody)"
        lines.append(
            f"{'taken    ' if row.taken else 'NOT TAKEN'}  {who}: {row.file}{f' ({row.why})' if row.why else ''}"
        )
    return "\n".join(map(printable, lines))


class SafeExtractor(ExtractorPlugin):
    """Takes notebooks and pictures out of zip files, and nothing else, into a folder for each student."""

    def extract(self, archive_path: str, extracted_path: str) -> None:
        """Extract every zip file below archive_path; what is left out is named in the log."""
        course, lesson = Path(self.parent.coursedir.root), self.parent.coursedir.assignment_id
        rows = collect(course, lesson, [Path(archive_path)], Path(extracted_path).joinpath)
        for line in table(rows).splitlines():
            (self.log.warning if line.startswith("NOT") else self.log.info)("%s", line)


class Collector(FileNameCollectorPlugin):
    """Tells nbgrader whose file each one is that SafeExtractor wrote."""

    def collect(self, submitted_file: str) -> dict[str, str] | None:
        file = Path(submitted_file)
        if file.suffix.lower() not in (".ipynb", *PICTURE_TYPES):
            return None
        found = {"student_id": file.parent.name, "file_id": file.name}
        time = file.parent / "timestamp.txt"
        return {**found, "timestamp": time.read_text().strip()} if time.exists() else found
