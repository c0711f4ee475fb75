"""Run a lesson once, and keep what it showed by the hash of what it was made from."""

import hashlib
import importlib.metadata
import platform
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from ..build import lesson_notebook
from ..headless import CELL_TIMEOUT, execute
from ..project import Project

PACKAGES = ("torch", "numpy", "matplotlib", "ipython", "transformers", "trl")


def executed(project: Project, lesson: str, solved: bool, cache: Path) -> NotebookNode:
    """The notebook of a lesson with its outputs, from the cache if nothing that it is made from has changed.

    Args:
        project: whose lesson.
        lesson: its name.
        solved: with its answers.
        cache: the folder for executed notebooks; those of older sources are deleted from it.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raised.
    """
    notebook = lesson_notebook(project, lesson, solved)
    kind = "solved" if solved else "student"
    kept = cache / f"{lesson}-{kind}-{_key(project, lesson, notebook)}.ipynb"
    if not kept.exists():
        print(f"running {lesson} ({kind})", flush=True)
        result = execute(notebook, project.root, timeout=CELL_TIMEOUT)
        cache.mkdir(parents=True, exist_ok=True)
        for old in cache.glob(f"{lesson}-{kind}-*.ipynb"):
            old.unlink()
        part = kept.with_suffix(".part")
        part.write_text(nbformat.writes(result), encoding="utf-8")
        part.rename(kept)  # a killed run leaves no half notebook
    return nbformat.read(kept, as_version=4)


def _key(project: Project, lesson: str, notebook: NotebookNode) -> str:
    """A hash of all that decides what a lesson shows: its cells, the package but for other lessons, the versions."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    parts = [platform.python_version(), *versions]
    parts += [f"{cell.cell_type} {cell.source}" for cell in notebook.cells]
    folder, own = project.package_folder(), project.room_folder(lesson)
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        room = next((above for above in file.parents if re.fullmatch(r"lesson\d\d", above.name)), own)
        if room == own:
            parts += [file.relative_to(folder).as_posix(), hashlib.sha256(file.read_bytes()).hexdigest()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
