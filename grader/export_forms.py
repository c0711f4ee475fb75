"""Grades in the form that each learning management system takes back.

- Canvas: its gradebook's own export with one column filled in. It knows the student by `ID`, then by the SIS columns, and
  the assignment by the number in the column's name. Rows before the students ("Points Possible") stay.
  instructure/canvas-lms, lib/gradebook_importer.rb.
- Moodle: the assignment's own grading worksheet with `Grade` filled in. It needs `Identifier` ("Participant 123"), `Grade`
  and `Last modified (grade)` as they are. moodle/moodle, mod/assign/feedback/offline/importgradeslib.php.
- CSV: a table for people.
"""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from .export import Mark
from .lms_csv import read_csv, write_csv

Origins = Mapping[str, Mapping[str, str]]
"""Student -> where the submission came from; see collect.origins."""
CANVAS_STUDENT = ("ID", "SIS User ID", "SIS Login ID", "Integration ID", "Student")
CANVAS_OWN = re.compile(
    r".*\b(Current|Final|Override|Unposted) (Score|Points|Grade|Status)\b.*|Section|Root Account|Notes|.*Name"
)
MOODLE_IDENTIFIER = ("Identifier", "ID", "Teilnehmer/in-ID", "Identifiant", "Identificador")
MOODLE_GRADE = ("Grade", "Bewertung", "Note", "Calificación")
MOODLE_STUDENT = ("ID number", "Email address", "Username", "Full name")


class ExportError(Exception):
    """Grades can't be written. The message says what to do."""


def write_table(marks: list[Mark], output: Path) -> None:
    """A plain table: student, score, max_score, auto, manual, late_penalty, remarks."""
    header = ("student", "score", "max_score", "auto", "manual", "late_penalty", "remarks")
    rows = [
        (m.student, *map(_number, (m.score, m.max_score, m.auto, m.manual, m.penalty)), "; ".join(m.problems))
        for m in marks
    ]
    write_csv(output, header, rows)


def canvas_rows(
    marks: list[Mark], origins: Origins, roster: Path, lesson: str, column: str | None
) -> tuple[list[list[str]], str, list[str]]:
    """The rows of Canvas's gradebook with this lesson's grades. Returns (rows, delimiter, what nobody was found for).

    Raises:
        ExportError: the file is no such export, or several columns could be meant.
    """
    (header, *rows), delimiter = _read(roster)
    if not {"Student", "ID"} <= set(header):
        raise ExportError(
            f"{roster} is no export of Canvas's gradebook: columns Student and ID are expected, not {', '.join(header[:5])}"
        )
    places = [header.index(name) for name in CANVAS_STUDENT if name in header]
    own = [name for name in header if name and name not in CANVAS_STUDENT and not CANVAS_OWN.fullmatch(name)]
    goal = header.index(_column(own, lesson, column))
    students = [row for row in rows if len(row) > 1 and row[header.index("ID")].strip()]
    found, unknown = _matched(
        marks, {s: o for s, o in origins.items() if o["lms"] == "Canvas"}, students, places
    )
    kept = [
        place for place, name in enumerate(header) if name in (*CANVAS_STUDENT, "Section") or place == goal
    ]
    written = [[header[place] for place in kept]]
    for row in rows:
        full = [*row, *[""] * (len(header) - len(row))]
        if id(row) in found:
            full[goal] = _number(found[id(row)].score)
        if id(row) in found or not full[header.index("ID")].strip():
            written.append([full[place] for place in kept])
    return written, delimiter, unknown


def moodle_rows(
    marks: list[Mark], origins: Origins, worksheet: Path, column: str | None
) -> tuple[list[list[str]], str, list[str]]:
    """The rows of Moodle's grading worksheet with the grades. Returns (rows, delimiter, what nobody was found for).

    Raises:
        ExportError: the file is no such worksheet.
    """
    (header, *rows), delimiter = _read(worksheet)
    identifier = next((header.index(name) for name in MOODLE_IDENTIFIER if name in header), None)
    names = (column,) if column else MOODLE_GRADE
    goal = next((header.index(name) for name in names if name in header), None)
    if identifier is None or goal is None:
        raise ExportError(
            f"{worksheet} is no grading worksheet of Moodle: columns Identifier and Grade are expected, not "
            f"{', '.join(header)}. In another language, name the grade's with --column"
        )
    places = [header.index(name) for name in MOODLE_STUDENT if name in header]
    for row in rows:
        row.extend([""] * (len(header) - len(row)))
    numbers = {id(row): re.sub(r".*?(\d+)$", r"\1", row[identifier].strip()) for row in rows}
    known = {s: o for s, o in origins.items() if o["lms"] == "Moodle"}
    found, unknown = _matched(marks, known, rows, places, numbers)
    for row in rows:
        if id(row) in found and found[id(row)].score is not None:
            row[goal] = _number(found[id(row)].score)
    return [header, *rows], delimiter, unknown


def _read(path: Path) -> tuple[list[list[str]], str]:
    try:
        rows, delimiter = read_csv(path)
    except OSError as error:
        raise ExportError(f"{path} can't be read: {error.strerror}") from None
    if not rows:
        raise ExportError(f"{path} is empty: export it again")
    rows[0] = [name.strip() for name in rows[0]]
    return rows, delimiter


def _column(names: list[str], lesson: str, chosen: str | None) -> str:
    """The assignment's column: the one that was named, else the only one whose name is the lesson's."""

    def words(text: str) -> str:
        return re.sub(r"[\W_]+", " ", re.sub(r"\(\d+\)$", "", text.strip())).strip().casefold()

    if chosen:
        fit = [name for name in names if chosen in (name, re.sub(r"\s*\(\d+\)$", "", name))]
    else:
        topic = words(lesson[3:])
        fit = [name for name in names if words(name) == words(lesson)] or [
            n for n in names if topic in words(n)
        ]
    if len(fit) != 1:
        raise ExportError(
            f"which column is {lesson}? Name it with --column: {'; '.join(names) or 'the file has no assignments'}"
        )
    return fit[0]


def _matched(
    marks: list[Mark],
    origins: Origins,
    rows: list[list[str]],
    places: list[int],
    numbers: Mapping[int, str] | None = None,
) -> tuple[dict[int, Mark], list[str]]:
    """id(row) -> the mark of the student whom it is about; and a line for each mark that has no row, or several.

    Where the submission came from decides. Without that a student is looked for by each of the columns in turn.
    """
    found: dict[int, Mark] = {}
    unknown = []
    for mark in marks:
        key = origins.get(mark.student, {}).get("key")
        if key:
            first = places[0] if places else 0
            fit = [row for row in rows if key == (numbers[id(row)] if numbers else row[first].strip())]
        else:
            fit = next((fit for place in places if (fit := _alike(rows, place, mark.student))), [])
        if len(fit) == 1 and id(fit[0]) not in found:
            found[id(fit[0])] = mark
        else:
            many = "several students in the file could be meant" if fit else "is not in the file"
            unknown.append(f"{mark.student}: {many}; no grade written")
    return found, unknown


def _alike(rows: list[list[str]], place: int, student: str) -> list[list[str]]:
    wanted = _plain(student)
    return [row for row in rows if len(row) > place and row[place].strip() and _plain(row[place]) == wanted]


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split()).casefold()


def _number(value: float | None) -> str:
    """At most two decimals, as Canvas and Moodle keep them."""
    return "" if value is None else f"{round(value, 2):.2f}".rstrip("0").rstrip(".")
