"""Read a zip file that came over the net, entry by entry, and write nothing.

Names are put right: backslashes (Windows), code pages (older Windows tools write names in cp437 or cp1252 and don't say so),
letters taken apart (macOS). A name with `..`, a link, or ten gigabytes of zeros is given with its problem.
"""

import io
import os
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .intake_file import MAX_BYTES

MAX_FILES = 10_000
"""Entries read of one zip file."""
UTF8_FLAG = 0x800
JUNK = ("__MACOSX", ".DS_Store", ".ipynb_checkpoints", "Thumbs.db", "desktop.ini")


class Unreadable(Exception):
    """A file is no zip file that can be read to its end. The message says why."""


@dataclass(frozen=True)
class Entry:
    """A file in a zip file. Fields: `path`; `problem`, why it can't be taken, or None; `read`, gives its bytes."""

    path: str
    problem: str | None
    read: Callable[[], bytes | None]


def entries(source: Path | bytes) -> Iterator[Entry]:
    """The regular files of a zip file, in its order. Folders and what operating systems add are passed over.

    Raises:
        Unreadable: it is damaged, or in a form that Python can't read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as archive:
            for number, entry in enumerate(archive.infolist()):
                path = right_name(entry)
                if entry.is_dir() or path.endswith("/") or is_junk(path):
                    continue
                problem = (
                    "the zip file has too many entries" if number >= MAX_FILES else _problem(entry, path)
                )
                yield Entry(path, problem, lambda entry=entry: _read(archive, entry))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError) as error:
        raise Unreadable(f"no zip file that can be read to its end ({error})") from None


def right_name(entry: zipfile.ZipInfo) -> str:
    """The path of an entry as its maker meant it, with slashes, in NFC."""
    name = entry.orig_filename.split("\0")[0]
    if not entry.flag_bits & UTF8_FLAG and not name.isascii():
        # zipfile took the bytes for cp437. macOS writes UTF-8 and doesn't say so; some Windows tools write cp1252.
        name = _guessed(name.encode("cp437"))
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def _guessed(raw: bytes) -> str:
    """Bytes of a name in an unknown code page: UTF-8 if they are; else the one that gives letters alone."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    readings = [raw.decode(code, "replace") for code in ("cp437", "cp1252")]
    return max(readings, key=lambda text: sum(unicodedata.name(c, "").startswith("LATIN") for c in text))


def is_junk(path: str) -> bool:
    """Whether an operating system or an editor put this file there, not a person."""
    parts = PurePosixPath(path).parts
    return any(part in JUNK for part in parts) or (bool(parts) and parts[-1].startswith(("._", ".~", "~$")))


def _problem(entry: zipfile.ZipInfo, path: str) -> str | None:
    name = PurePosixPath(path)
    if name.is_absolute() or ".." in name.parts or os.path.splitdrive(path)[0] or path[1:2] == ":":
        return "its name leads out of the folder"
    if (entry.external_attr >> 16) & 0o170000 not in (0, 0o100000):
        return "it is a link or a device"
    if entry.flag_bits & 1:
        return "it is locked with a password"
    return f"it has more than {MAX_BYTES >> 20} MB" if entry.file_size > MAX_BYTES else None


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes | None:
    """The content, or None if it is larger than it claims: the size in a zip's list is what its maker wrote there."""
    with archive.open(entry) as source:
        content = source.read(MAX_BYTES + 1)
    return content if len(content) <= MAX_BYTES else None
