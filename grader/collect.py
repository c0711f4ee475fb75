"""Take submissions out of the zip files that an LMS hands out, for `nbgrader zip_collect`."""

import os
import zipfile
from pathlib import Path, PurePosixPath

from nbgrader.plugins import ExtractorPlugin

from .intake_file import MAX_BYTES

MAX_FILES = 10_000
"""Notebooks taken out of one zip file."""


class SafeExtractor(ExtractorPlugin):
    """Takes notebooks out of zip files, and nothing else.

    nbgrader's own extractor unpacks whatever a zip holds. This one writes regular files that end in .ipynb, up to the size
    that intake accepts, inside the folder they belong in. A name with `..`, a link, or ten gigabytes of zeros is left in
    the zip, and named in the log. Zip files within zip files are not opened.
    """

    def extract(self, archive_path: str, extracted_path: str) -> None:
        """Extract every zip file below archive_path to a folder of its own in extracted_path; copy loose notebooks."""
        for path in sorted(Path(archive_path).rglob("*")):
            target = Path(extracted_path) / path.relative_to(archive_path)
            if path.is_symlink() or not path.is_file():
                continue
            if path.suffix == ".zip":
                self._extract_one(path, target.with_suffix(""))
            elif path.suffix == ".ipynb" and path.stat().st_size <= MAX_BYTES:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
            else:
                self.log.warning("%s is neither a zip file nor a notebook, and was left out", path.name)

    def _extract_one(self, path: Path, folder: Path) -> None:
        try:
            with zipfile.ZipFile(path) as archive:
                for number, entry in enumerate(archive.infolist()):
                    problem = "too many files" if number >= MAX_FILES else _problem(entry)
                    if problem:
                        self.log.warning("%s: %r left out: %s", path.name, entry.filename, problem)
                    elif not entry.is_dir():
                        self._write(archive, entry, folder / entry.filename)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
            self.log.warning("%s is no zip file that can be read to its end (%s)", path.name, error)

    def _write(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
        # The size in a zip's list is what its maker wrote there, so count what really comes.
        with archive.open(entry) as source:
            content = source.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            self.log.warning("%s: %r left out: larger than it claims", archive.filename, entry.filename)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _problem(entry: zipfile.ZipInfo) -> str | None:
    """Why an entry of a zip file is not taken, or None."""
    name = PurePosixPath(entry.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or os.path.splitdrive(entry.filename)[0]:
        return "its name leads out of the folder"
    if (entry.external_attr >> 16) & 0o170000 not in (0, 0o100000, 0o040000):
        return "it is a link or a device"
    if not entry.is_dir() and name.suffix != ".ipynb":
        return "it is no notebook"
    return f"it has more than {MAX_BYTES >> 20} MB" if entry.file_size > MAX_BYTES else None
