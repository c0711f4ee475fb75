"""Tables as other programs write them: CSV of pandas and Excel, pandas' forms of JSON, Arrow files, folders of datasets."""

import ast
import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from .rows import BadRow

ARROW, STREAM = b"ARROW1", b"\xff\xff\xff\xff"
"""First bytes of an Arrow file, and of an Arrow stream, which `datasets` writes."""
DELIMITERS = ",;\t|"
NUMBERS = re.compile(
    r"margin|score|rank|label|strength|preference|rating|helpful|winner|choice|better|tag", re.IGNORECASE
)
"""Names of columns in which a number, or true or false, is meant as such."""
WIDEST = 2**27


def csv_header(start: bytes, known: Sequence[str]) -> tuple[list[str], str] | None:
    """The columns and the delimiter of a CSV file, by its first line; None where that is no such line.

    Args:
        start: of the file, UTF-8.
        known: names of columns, one of which must be there.
    """
    line = start.decode("utf-8-sig", "replace").split("\n", 1)[0].rstrip("\r")
    if not line or line.lstrip()[:1] in "{[":
        return None
    for delimiter in DELIMITERS:
        names = next(csv.reader([line], delimiter=delimiter))
        if len(names) > 1 and any(name.strip() in known for name in names):
            return [name.strip() for name in names], delimiter
    return None


def csv_rows(file: BinaryIO, names: Sequence[str], delimiter: str) -> Iterator[tuple[int, dict | BadRow]]:
    """(number, row) of each row, from 1; a text may go over several lines. `file` stands at its beginning."""
    csv.field_size_limit(WIDEST)
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    rows = csv.reader(text, delimiter=delimiter)
    number = 0
    try:
        next(rows)
        for number, fields in enumerate(filter(None, rows), 1):
            if len(fields) != len(names):
                yield (
                    number,
                    BadRow(
                        f"{len(fields)} fields, and the header has {len(names)}: is a text not in quotes?"
                    ),
                )
            else:
                # A column without a name is pandas' index.
                yield (
                    number,
                    {name: _meant(name, field) for name, field in zip(names, fields, strict=True) if name},
                )
    except UnicodeDecodeError:
        yield number + 1, BadRow("not UTF-8: save the file as CSV UTF-8")
    except csv.Error as error:
        yield number + 1, BadRow(f"not CSV that can be read: {error}")


def _meant(name: str, field: str) -> object:
    """A field as it was before it was written: a number, a list of messages, nothing, or text."""
    if NUMBERS.search(name):
        if field.strip().lower() in ("true", "false", ""):
            return {"true": True, "false": False}.get(field.strip().lower())
        try:
            return int(field) if re.fullmatch(r"\s*-?\d+\s*", field) else float(field)
        except ValueError:
            return field
    if field.startswith("[") and field.rstrip().endswith("]"):
        return _listed(field)
    return field or None


def _listed(field: str) -> object:
    """A list that was written as JSON, as Python writes it, or as NumPy does; the text itself if it is none."""
    for read in (json.loads, ast.literal_eval):
        for text in (field, re.sub(r"\}\s*\n\s*\{", "}, {", field)):
            try:
                value = read(text)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                continue
            if isinstance(value, list) and all(isinstance(one, dict) for one in value):
                return value
    return field


def unfolded(value: object) -> list | None:
    """The rows of a table that is one JSON value, as pandas, `datasets` and the hub write them; None for anything else."""
    if not isinstance(value, dict) or len(value) < 1:
        return None
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):  # orient="split"
        return [dict(zip(value["columns"], row, strict=False)) for row in value["data"]]
    for name in ("data", "rows", "train", "examples"):  # orient="table", the hub's rows, a split by its name
        if isinstance(value.get(name), list) and "chosen" not in value:
            rows = value[name]
            if all(isinstance(row, dict) for row in rows):
                return [row.get("row", row) for row in rows]
    parts = list(value.values())
    if all(isinstance(part, dict) for part in parts) and len({frozenset(part) for part in parts}) == 1:
        if all(name.lstrip("-").isdigit() for name in value):  # orient="index"
            return parts
        if len(parts) > 1:  # orient="columns", pandas' default
            return [{name: part[key] for name, part in value.items()} for key in parts[0]]
    if len(parts) > 1 and all(isinstance(part, list) and part for part in parts):  # Dataset.to_dict
        lists = {len(part) for part in parts}
        if len(lists) == 1 and not any(isinstance(one, dict) for part in parts for one in part):
            return [dict(zip(value, row, strict=True)) for row in zip(*parts, strict=True)]
    return None


def arrow_rows(path: Path, stream: bool) -> Iterator[dict]:
    """The rows of an Arrow file or stream, a batch at a time."""
    import pyarrow.ipc

    with pyarrow.memory_map(str(path)) as source:
        if stream:
            for batch in pyarrow.ipc.open_stream(source):
                yield from batch.to_pylist()
            return
        reader = pyarrow.ipc.open_file(source)
        for number in range(reader.num_record_batches):
            yield from reader.get_batch(number).to_pylist()


def folder_files(folder: Path) -> list[Path]:
    """The files of a folder that `Dataset.save_to_disk` wrote, in their order.

    Raises:
        ValueError: it is no such folder; where it holds several splits, their names are told.
    """
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return [folder / part["filename"] for part in state["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    splits = sorted(part.parent.name for part in folder.glob("*/state.json"))
    if splits:
        raise ValueError(f"{folder} holds several splits: name one of them, such as {folder / splits[0]}")
    raise ValueError(f"{folder} is a folder: expected a file, or a folder that Dataset.save_to_disk wrote")
