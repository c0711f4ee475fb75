"""Preference files in the forms that people have: JSON lines, a JSON array, Parquet, and these compressed."""

import bz2
import gzip
import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .rows import BadRow, numbered_lines, parse_row

OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
"""First bytes of a compressed file -> what opens it. The name of a file decides nothing."""
PARQUET = b"PAR1"
BLOCK = 2**20


def read_rows(path: Path) -> Iterator[tuple[int, dict | BadRow]]:
    """(number, row) of each row of a file, from 1; in place of a row that can't be used, what is wrong with it.

    JSON lines and Parquet stream. A JSON array, or objects over several lines each, are read whole.

    Raises:
        ValueError: the file as a whole can't be read.
        FileNotFoundError: there is none.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(PARQUET):
        yield from _parquet_rows(path)
        return
    opener = next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), open)
    try:
        with opener(path, "rb") as file:
            yield from _json_rows(file)
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError) as error:
        raise ValueError(f"{path} is compressed, and damaged: {error}") from None


def _json_rows(file: BinaryIO) -> Iterator[tuple[int, dict | BadRow]]:
    lines = numbered_lines(file)
    for number, line in lines:
        if number == 1 or line.strip() in (b"{", b"["):
            whole = _as_a_whole(file, line, number)
            if whole is not None:
                yield from whole
                return
        try:
            yield number, parse_row(line)
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
    if len(rows) == 1 and isinstance(rows[0], list):
        rows = rows[0]
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
