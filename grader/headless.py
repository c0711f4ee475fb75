"""Execute a notebook without a browser, and take its figures out."""

import base64
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config


def execute(
    notebook: NotebookNode,
    folder: Path,
    timeout: int = 120,
    progress: Callable[[int, int], None] | None = None,
) -> NotebookNode:
    """Run every cell, from the first to the last, in a new kernel of this Python.

    Args:
        notebook: left as it is; a copy is executed.
        folder: the kernel's working directory.
        timeout: seconds that one cell may take.
        progress: called before each cell with its number from 1 and the number of cells.

    Returns:
        The copy, with outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raised; the message holds the cell and the traceback.
    """
    notebook = nbformat.from_dict(notebook)

    def before_cell(cell: NotebookNode, cell_index: int) -> None:
        if progress:
            progress(cell_index + 1, len(notebook.cells))

    config = Config()
    config.KernelManager.transport = "ipc"  # the kernel then opens no network port
    # By default the sockets lie in this process's folder under one name, where two kernels meet.
    sockets = tempfile.TemporaryDirectory(prefix="rl-")
    config.KernelManager.ip = f"{sockets.name}/k"
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        config=config,
        on_cell_start=before_cell,
    )
    with sockets, warnings.catch_warnings(action="ignore"):
        return client.execute()


def save_figures(notebook: NotebookNode, folder: Path) -> list[Path]:
    """Write every PNG among a notebook's outputs as figure-NN.png, in order. Returns the files."""
    images = [
        output.data["image/png"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"figure-{number:02d}.png" for number in range(1, len(images) + 1)]
    for file, image in zip(files, images, strict=True):
        file.write_bytes(base64.b64decode(image))
    return files
