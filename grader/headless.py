"""Execute a notebook without a browser, and take its figures out."""

import base64
import tempfile
import warnings
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config

CELL_TIMEOUT = 1200
"""Seconds of wall time for a cell of any lesson. None takes near a minute by itself, but others may use the machine."""


def execute(
    notebook: NotebookNode,
    folder: Path,
    timeout: int = 120,
    progress: Callable[[int, int], None] | None = None,
    kernel: str = "python3",
) -> NotebookNode:
    """Run every cell, from the first to the last, in a new kernel, by default of this Python.

    Args:
        notebook: left as it is; a copy is executed.
        folder: the kernel's working directory.
        timeout: seconds that one cell may take.
        progress: called before each cell with its number from 1 and the number of cells.
        kernel: its name, as Jupyter finds it.

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
        kernel_name=kernel,
        resources={"metadata": {"path": str(folder)}},
        config=config,
        on_cell_start=before_cell,
    )
    with sockets, warnings.catch_warnings(action="ignore"):
        return client.execute()


def save_figures(notebook: NotebookNode, folder: Path) -> list[Path]:
    """Write every PNG among a notebook's outputs as figure-NN.png, in order. Returns the files."""
    images = [image for image, _ in pictures(notebook)]
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"figure-{number:02d}.png" for number in range(1, len(images) + 1)]
    for file, image in zip(files, images, strict=True):
        file.write_bytes(image)
    return files


def pictures(notebook: NotebookNode) -> list[tuple[bytes, str]]:
    """Every PNG among a notebook's outputs, in order, with its alt text; `` where it has none.

    They stand in `<img>` elements, as `reward_lab.plots.show` writes them, or are outputs of their own.
    """
    found = []
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        data = output.get("data", {})
        if "image/png" in data:
            found.append((base64.b64decode(data["image/png"]), ""))
        else:
            images = _Images()
            images.feed(data.get("text/html", ""))
            found += images.found
    return found


class _Images(HTMLParser):
    """Collects (PNG, alt text) of the `<img>` elements of a page."""

    def __init__(self):
        super().__init__()
        self.found: list[tuple[bytes, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        kind, _, data = (values.get("src") or "").partition(";base64,")
        if tag == "img" and kind == "data:image/png":
            self.found.append((base64.b64decode(data), values.get("alt") or ""))
