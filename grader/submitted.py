"""What lies in submitted/<student>/<lesson>/: which file is the submission, and what of it a grade depends on."""

import datetime
import hashlib
import logging
from pathlib import Path

PICTURE_TYPES = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp",
}  # fmt: skip
"""Ending of a picture's file -> its type. SVG can hold a program, so it is none of them."""
MAX_PICTURE = 10 * 2**20
FORBIDDEN = set('<>"&`\x7f') | {chr(code) for code in range(32)} | {chr(code) for code in range(0x80, 0xA0)}
"""Characters that a student's name may not have: they end lines, steer terminals, or open tags in Formgrader's pages."""


def printable(text: str) -> str:
    """The text with whatever could break a line or steer a terminal written as an escape."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def submitted_file(folder: Path, lesson: str) -> Path:
    """The notebook in a submission's folder: the one with the lesson's name, else the newest regular one.

    Links, pipes, folders and hidden files (an editor's locks) are none. If there is no notebook, the path where it belongs.
    """
    named = folder / f"{lesson}.ipynb"
    if named.is_file() and not named.is_symlink():
        return named
    others = [p for p in folder.glob("*.ipynb") if p.is_file() and not p.is_symlink() and p.name[0] != "."]
    return max(others, key=lambda path: (path.stat().st_mtime, path.name), default=named)


def submission_problem(file: Path) -> str | None:
    """Why a file below submitted/ can't be taken for what a student handed in, or None."""
    student = file.parent.parent.name
    if FORBIDDEN & set(student):
        return (
            f"The folder's name {ascii(student)} holds characters that no name may have. Rename the folder."
        )
    for path in (file.parent.parent, file.parent, file):
        if path.is_symlink():
            return f"{ascii(path.name)} is a link. Put the student's own file in its place."
    if file.exists() and not file.is_file():
        return f"{ascii(file.name)} is a folder or a device, and no file. Put the student's notebook in its place."
    return None


def pictures_beside(file: Path) -> dict[str, Path]:
    """Name -> path of the pictures in a notebook's folder."""
    found = sorted(path for path in file.parent.glob("*") if path.suffix.lower() in PICTURE_TYPES)
    return {
        path.name: path
        for path in found
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= MAX_PICTURE
    }


def content_digest(file: Path) -> bytes:
    """Changes with everything in a submission's folder that its grade depends on: notebook, pictures, time."""
    digest = hashlib.sha256()
    for path in (file, *pictures_beside(file).values(), file.parent / "timestamp.txt"):
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).digest()
            digest.update(path.name.encode("utf-8", "surrogateescape") + b"\0" + content)
    return digest.digest()


def handed_in_at(folder: Path | str, log: logging.Logger | None = None) -> datetime.datetime | None:
    """When a submission came, in UTC, by its timestamp.txt; None if there is none, or it holds no date."""
    # Here: it takes a second, which processes that only grade don't need.
    from nbgrader.utils import parse_utc

    file = Path(folder) / "timestamp.txt"
    try:
        return parse_utc(file.read_text(encoding="utf-8-sig").strip()) if file.is_file() else None
    except (ValueError, OverflowError, OSError):
        if log:
            log.warning("%s holds no date; the grade stands without a time", file)
        return None


def time_problem(folder: Path) -> str | None:
    """What to say of a timestamp.txt that holds no date; else None."""
    if (folder / "timestamp.txt").is_file() and handed_in_at(folder) is None:
        return "timestamp.txt holds no date: the grade stands without a time, and without a late penalty"
    return None
