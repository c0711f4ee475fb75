"""Preference files in the forms that people have: JSON lines, other JSON, CSV, Parquet, Arrow, and these compressed."""

import bz2
import codecs
import gzip
import io
import json
import lzma
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .formats import FORMATS
from .keys import COLUMNS
from .rows import BadRow, numbered_lines, parse_row
from .tables import ARROW, STREAM, arrow_rows, csv_header, csv_rows, folder_files, unfolded

OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
"""First bytes of a compressed file -> what opens it. The name of a file decides nothing."""
PARQUET, ZIP = b"PAR1", b"PK\x03\x04"
KNOWN = {*COLUMNS, *(name for form in FORMATS for name in form.columns)}
"""Names of columns, one of which the first line of a CSV file has."""
BLOCK = 2**20


def read_rows(path: Path) -> Iterator[tuple[int, dict | BadRow]]:
    """(number, row) of each row of a file, from 1; in place of a row that can't be used, what is wrong with it.

    JSON lines, CSV, Parquet and Arrow stream. A JSON array, objects over several lines each, and a table that is one JSON
    value are read whole.

    Raises:
        ValueError: the file as a whole can't be read.
        FileNotFoundError: there is none.
    """
    if path.is_dir():
        parts = folder_files(path)
        yield from enumerate((row for part in parts for row in _arrow_rows(part, stream=True)), 1)
        return
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(PARQUET):
        yield from _parquet_rows(path)
        return
    if start.startswith((ARROW, STREAM)):
        yield from enumerate(_arrow_rows(path, start.startswith(STREAM)), 1)
        return
    if start.startswith(ZIP):
        raise ValueError(
            f"{path} is an Excel workbook or a zip file: save the sheet as CSV UTF-8, or unpack the file"
        )
    opener = next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), open)
    try:
        with opener(path, "rb") as packed, _as_utf8(packed) as file:
            header = csv_header(file.peek(BLOCK), KNOWN)
            yield from csv_rows(file, *header) if header else _json_rows(file)
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError) as error:
        raise ValueError(f"{path} is compressed, and damaged: {error}") from None


def _as_utf8(file: BinaryIO) -> io.BufferedReader:
    """The same file; if it is UTF-16, as Excel and PowerShell write it, a copy of it in UTF-8."""
    file = io.BufferedReader(file, BLOCK)
    if not file.peek(2).startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return file
    copy = tempfile.TemporaryFile()  # noqa: SIM115  open as long as it is read
    text = io.TextIOWrapper(file, "utf-16", newline="")
    while part := text.read(BLOCK):
        copy.write(part.encode("utf-8", "replace"))
    copy.seek(0)
    return copy


def _json_rows(file: BinaryIO) -> Iterator[tuple[int, dict | BadRow]]:
    lines = numbered_lines(file)
    for number, line in lines:
        if number == 1 or line.strip() in (b"{", b"["):
            whole = _as_a_whole(file, line, number)
            if whole is not None:
                yield from whole
                return
        try:
            row = parse_row(line)
            table = unfolded(row) if number == 1 else None
            if table is None:
                yield number, row
            else:
                yield from ((count, _checked(one)) for count, one in enumerate(table, 1))
        except BadRow as error:
            yield number, error


def _as_a_whole(file: BinaryIO, line: bytes, number: int) -> Iterator[tuple[int, dict | BadRow]] | None:
    """The rows of an array, or of objects over several lines, that begins with this line; None for JSON lines."""
    text = line.strip()
    if not (text.startswith(b"[") or text == b"{"):
        return None
    here = file.tell()
    try:
        rows = list(_values((line + file.read()).decode("utf-8")))
    except (ValueError, RecursionError):  # no such file: line by line, each with its own fault
        file.seek(here)
        return None
    if len(rows) == 1:
        rows = rows[0] if isinstance(rows[0], list) else unfolded(rows[0]) or rows
    return ((count, _checked(row)) for count, row in enumerate(rows, 1))


def _values(text: str) -> Iterator[object]:
    """JSON values one after the other."""
    decoder, place = json.JSONDecoder(), 0
    while place < len(text):
        value, place = decoder.raw_decode(text, place)
        yield value
        while place < len(text) and text[place] in " \t\r\n":
            place += 1


def _checked(row: object) -> dict | BadRow:
    try:
        return parse_row(json.dumps(row).encode())
    except BadRow as error:
        return error


def _arrow_rows(path: Path, stream: bool) -> Iterator[dict]:
    try:
        yield from arrow_rows(path, stream)
    except ModuleNotFoundError:
        raise ValueError(f"{path} is an Arrow file: reading those needs `pip install datasets`") from None


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict]]:
    try:
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise ValueError(f"{path} is a Parquet file: reading those needs `pip install datasets`") from None
    number = 0
    for batch in pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=1024):
        for row in batch.to_pylist():
            number += 1
            yield number, row
