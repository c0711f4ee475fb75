"""Tables as people and learning management systems exchange them: CSV in which no cell is a formula."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

FORMULA = tuple("=+-@\t\r")
"""A spreadsheet takes a cell that begins so for a formula; see OWASP, "CSV Injection"."""


def inert(value: object) -> object:
    """A cell that no spreadsheet runs. Numbers stay numbers."""
    if (
        isinstance(value, str)
        and value.lstrip(" ").startswith(FORMULA)
        and value != "-"
        and not _is_number(value)
    ):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def write_csv(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], delimiter: str = ","
) -> None:
    """Write a table, whole or not at all. UTF-8 with the mark that Excel needs to read it as such."""
    draft = path.with_name(path.name + ".draft")
    with draft.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\r\n")
        writer.writerows([[inert(cell) for cell in row] for row in (header, *rows)])
    draft.replace(path)


def read_csv(path: Path) -> tuple[list[list[str]], str]:
    """The rows of a table that an LMS exported, and its delimiter: a comma, a semicolon or a tab."""
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    return [row for row in csv.reader(text.splitlines(keepends=True), delimiter=delimiter)], delimiter
