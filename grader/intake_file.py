"""Read a submitted file as data, or say in plain words why it is no notebook."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

MAX_BYTES = 50 * 2**20
CELL_TYPES = ("code", "markdown", "raw")
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""Kinds of attachments that are kept. A drawing in SVG can hold a program, so it is none of them."""
MAX_PICTURES = 20 * 2**20
"""Letters of base64 that the pictures of one cell may have."""


class Refused(Exception):
    """The file can't be graded. The message tells the student what is wrong and what to do."""


@dataclass
class SubmittedCell:
    """What a submission says about one cell: its type, its source and the names it goes by."""

    cell_type: str
    source: str
    grade_id: str | None
    cell_id: str | None
    attachments: dict[str, dict[str, str]] = field(default_factory=dict)
    """Pictures pasted into a text: name -> {type: base64}."""


@dataclass
class SubmittedFile:
    """What a file holds. Fields: `cells`; `notes`, what was put right; `python`, the version that saved it, if told."""

    cells: list[SubmittedCell]
    notes: list[str]
    python: str | None


def read_file(path: Path) -> SubmittedFile:
    """A notebook file of any nbformat from 2 to 4.

    Raises:
        Refused: the file is no such notebook.
    """
    data = _read_json(path)
    version = data.get("nbformat")
    notes = []
    if isinstance(version, int) and version > 4:
        raise Refused(
            f"The notebook format {version} is newer than 4, the newest known here. Save it with JupyterLab 4."
        )
    if "worksheets" in data or (isinstance(version, int) and version < 4):
        try:
            data = nbformat.convert(nbformat.from_dict(data), 4)
        except Exception:
            raise Refused(
                "The notebook is in an old format that can't be converted. Open and save it in Jupyter."
            ) from None
        notes.append(f"notebook format {version} converted to 4")
    raw_cells = data.get("cells")
    if not isinstance(raw_cells, list):
        raise Refused(
            "The file is JSON, but no notebook: it has no list of cells. Download it again as .ipynb."
        )
    cells = []
    for number, raw in enumerate(raw_cells, 1):
        cell = _read_cell(raw)
        if cell:
            cells.append(cell)
        else:
            notes.append(f"cell {number} is damaged and was left out")
    return SubmittedFile(cells, notes, _python_of(data))


def _python_of(data: dict) -> str | None:
    """The version of Python in a notebook's metadata."""
    for name in ("metadata", "language_info"):
        data = data.get(name)
        if not isinstance(data, dict):
            return None
    version = data.get("version")
    return version if isinstance(version, str) and re.fullmatch(r"[\d.]{1,12}", version) else None


def _read_json(path: Path) -> dict:
    if not path.is_file():
        raise Refused("There is no such file.")
    size = path.stat().st_size
    if size == 0:
        raise Refused("The file is empty. Download the notebook again, and hand that in.")
    if size > MAX_BYTES:
        raise Refused(
            f"The file has {size / 2**20:.0f} MB, more than {MAX_BYTES // 2**20}. Clear all outputs, save, hand in again."
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refused(f"The file can't be read: {error.strerror}.") from None
    if b"\0" in content:
        raise Refused(
            "The file holds NUL bytes, so it is damaged or no text file. Download the notebook again."
        )
    try:
        data = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Refused("The file is not UTF-8 text. Download the notebook again as .ipynb.") from None
    except RecursionError:
        raise Refused("The file is nested too deeply to be a notebook.") from None
    except ValueError as error:
        conflict = " It holds unresolved git conflicts." if b"<<<<<<<" in content else ""
        place = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Refused(
            f"The file is not valid JSON{place}.{conflict} Download the notebook again as .ipynb."
        ) from None
    if not isinstance(data, dict):
        raise Refused("The file is JSON, but no notebook. Download the notebook again as .ipynb.")
    return data


def _read_cell(raw: object) -> SubmittedCell | None:
    if not isinstance(raw, dict) or raw.get("cell_type") not in CELL_TYPES:
        return None
    source = raw.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    # A lone half of a surrogate pair is legal in JSON and can't be written to a UTF-8 file.
    source = source.encode("utf-8", "replace").decode("utf-8")
    metadata = raw.get("metadata") if isinstance(raw.get("metadata"), dict) else {}
    nbgrader = metadata.get("nbgrader") if isinstance(metadata.get("nbgrader"), dict) else {}
    names = (nbgrader.get("grade_id"), raw.get("id") or metadata.get("id"))
    grade_id, cell_id = (name if isinstance(name, str) else None for name in names)
    return SubmittedCell(raw["cell_type"], source, grade_id, cell_id, _pictures(raw.get("attachments")))


def _pictures(attachments: object) -> dict[str, dict[str, str]]:
    """The pictures among a cell's attachments; anything else, and what is too large, is left out."""
    kept: dict[str, dict[str, str]] = {}
    room = MAX_PICTURES
    for name, bundle in attachments.items() if isinstance(attachments, dict) else ():
        for kind, data in bundle.items() if isinstance(bundle, dict) else ():
            if isinstance(data, list) and all(isinstance(line, str) for line in data):
                data = "".join(data)
            if kind in PICTURES and isinstance(data, str) and len(data) <= room and _is_base64(data):
                kept.setdefault(name, {})[kind] = data
                room -= len(data)
    return kept


def _is_base64(data: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9+/=\s]*", data) is not None
