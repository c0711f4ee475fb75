"""One cell of the assembled lesson: the lesson's own, one with the student's source, or one that was added."""

import re
from urllib.parse import unquote

import nbformat
from nbformat import NotebookNode

from .cells import is_answer
from .intake_file import SubmittedCell

SKIP_TAG = "skip-execution"
"""nbclient does not run a cell with this tag. Intake alone decides which cells carry it."""
PICTURE = re.compile(r"!\[[^\]]*\]\(attachment:([^)\s]+)[^)]*\)")
COLABS_LINK = re.compile(
    r"<a [^>]*>\s*<img [^>]*colab-badge\.svg[^>]*>\s*</a>|\[!\[[^\]]*\]\([^)]*colab-badge\.svg\)\]\([^)]*\)"
)


def is_copy_of_stub(cell: SubmittedCell, target: NotebookNode | None) -> bool:
    return target is not None and cell.source.strip() == target.source.strip()


def is_edited(cell: SubmittedCell, target: NotebookNode) -> bool:
    """Whether the student changed a cell of the lesson in a way that counts: code that grading runs, or words."""
    if is_answer(target) or cell.source.split() == target.source.split():
        return False
    runs = "nbgrader" not in target.metadata and "experiment" not in target.metadata.get("tags", [])
    return target.cell_type != "code" or runs


def added(cell: SubmittedCell, position: int) -> NotebookNode:
    make = getattr(nbformat.v4, f"new_{cell.cell_type}_cell")
    return _with_pictures(make(cell.source, id=f"added-{position + 1:03d}"), cell)


def filled(target: NotebookNode, cell: SubmittedCell) -> NotebookNode:
    """The lesson's cell; if it is an answer, with the student's source."""
    filled = nbformat.from_dict(target)
    if is_answer(target) and cell.source.strip() != target.source.strip():
        filled.source = cell.source
        filled = _with_pictures(filled, cell)
    if "experiment" in target.metadata.get("tags", []):
        filled.metadata.tags = [*target.metadata.tags, SKIP_TAG]
    return filled


def _with_pictures(filled: NotebookNode, cell: SubmittedCell) -> NotebookNode:
    """The cell with the pictures pasted into it. A page can't be made of a text whose picture is gone, so that is said."""
    if filled.cell_type != "markdown":
        return filled
    if cell.attachments:
        filled.attachments = nbformat.from_dict(cell.attachments)

    def known(reference: re.Match) -> str:
        name = unquote(reference.group(1))
        return reference.group() if name in cell.attachments else f"(picture {name} is missing)"

    filled.source = PICTURE.sub(known, filled.source)
    return filled


def is_colabs_link(cell: NotebookNode) -> bool:
    """Colab's "save to GitHub" adds a cell with nothing but its button."""
    return cell.cell_type == "markdown" and bool(COLABS_LINK.fullmatch(cell.source.strip()))
