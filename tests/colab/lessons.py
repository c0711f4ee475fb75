"""A lesson, run in an environment whose package comes from the set-up cell."""

import tempfile
from pathlib import Path

from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from grader.build import lesson_notebook
from grader.headless import CELL_TIMEOUT, execute
from grader.project import own_project

from .environment import Environment


def run_lesson(lesson: str, solved: bool, environment: Environment, archive: Path) -> str | None:
    """Run a lesson from its first cell to its last.

    Args:
        lesson: its name.
        solved: with its answers.
        environment: where.
        archive: what the set-up cell installs in place of the released tag.

    Returns:
        What failed, or None.
    """
    notebook = from_archive(lesson_notebook(own_project(), lesson, solved), archive)
    with tempfile.TemporaryDirectory() as elsewhere:
        try:
            executed = execute(notebook, Path(elsewhere), CELL_TIMEOUT, kernel=environment.name)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            return str(error)[-1500:]
    return complaint(executed, solved)


def from_archive(notebook: NotebookNode, archive: Path) -> NotebookNode:
    """The notebook, whose set-up cell installs an archive of this machine.

    Raises:
        ValueError: no cell names the released archive.
    """
    project = own_project()
    released = f"{project.repository}/archive/refs/tags/{project.values()['tag']}.tar.gz"
    cells = [cell for cell in notebook.cells if released in cell.source]
    if not cells:
        raise ValueError(f"no set-up cell installs {released}")
    for cell in cells:
        cell.source = cell.source.replace(released, archive.resolve().as_uri())
    return notebook


def complaint(executed: NotebookNode, solved: bool) -> str | None:
    """What an executed lesson itself says is wrong: something on stderr, or a check that a solution fails."""
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                return f"on stderr: {output.text[:500]}"
            text = output.get("data", {}).get("text/plain", "")
            if solved and cell.source.startswith("check.") and "all cases pass" not in text:
                return f"{cell.source}: {text[:500]}"
    return None
