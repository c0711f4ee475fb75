"""Lessons executed once for all tests, and what they say: printed by their cells, or written in their text."""

import json
import re
from pathlib import Path

import nbformat
from filelock import FileLock
from nbformat import NotebookNode

from grader.build import ROOT, lesson_notebook, lesson_sources, read_source
from grader.headless import CELL_TIMEOUT, execute
from grader.project import own_project

NUMBER = r"(-?\d[\d,]*\.?\d*|-?\.\d+)"


def run_once(lesson: str, kind: str, shared: Path):
    """The executed source or student notebook, and the seconds of CPU time that it took.

    Each is run once, whatever the number of processes. The clock on the wall limits only a cell that never ends.

    Args:
        shared: the folder where the processes of one test run leave what they executed for each other.
    """
    kept = shared / f"{lesson}-{kind}.json"
    with FileLock(kept.with_suffix(".lock")):
        if not kept.exists():
            notebook = lesson_notebook(own_project(), lesson, solved=kind == "source")
            executed = execute(_remembering(notebook, lesson[:2], shared), ROOT, timeout=CELL_TIMEOUT)
            del executed.cells[0]
            seconds = float(executed.cells.pop().outputs[0].text)
            kept.write_text(json.dumps([executed, seconds]))
    executed, seconds = json.loads(kept.read_text())
    return nbformat.from_dict(executed), seconds


def _remembering(notebook: NotebookNode, number: str, shared: Path) -> NotebookNode:
    """The notebook, with a first cell that lets its two runs share what they compute alike, and a last one for CPU time."""
    first = nbformat.v4.new_code_cell(
        f"from tests.lessons.remembering import remember; remember({number!r}, {str(shared)!r}); del remember"
    )
    last = nbformat.v4.new_code_cell("import time; print(time.process_time())")
    return NotebookNode(notebook, cells=[first, *notebook.cells, last])


def printed(notebook: NotebookNode) -> str:
    """Everything that the cells of an executed notebook printed."""
    return "".join(o.text for c in notebook.cells for o in c.get("outputs", []) if o.output_type == "stream")


def numbers_after(words: str, text: str) -> list[float]:
    """All numbers that stand after these words in their line, which is the only one that has them.

    A number in place of words is the first in its row of a table: further on, any row may hold it by chance.
    """
    start = "^" if words[0].isdigit() else ""
    (rest,) = re.findall(start + re.escape(words) + "(.*)", text, re.MULTILINE)
    return [float(x.replace(",", "")) for x in re.findall(r"-?\d[\d,]*\.?\d*", rest)]


def written(lesson: str) -> str:
    """All prose of a lesson's source, one space in place of each run of white space."""
    notebook = read_source(lesson_sources()[lesson])
    text = " ".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.sub(r"\s+", " ", text)


def quoted(lesson: str, sentence: str) -> list[float]:
    """The numbers that a lesson's prose quotes.

    Args:
        lesson: its name, as `01_reward_modeling`.
        sentence: words as they stand in the text, with `#` for each number. They must stand there exactly once, so that
            a test can't go on holding a sentence that was changed.

    Returns:
        The numbers in the place of the `#`, from left to right.
    """
    pattern = NUMBER.join(re.escape(part).replace(r"\ ", " ") for part in sentence.split("#"))
    found = re.findall(pattern, written(lesson))
    assert len(found) == 1, f"{lesson} says {len(found)} times: {sentence}"
    values = found[0] if isinstance(found[0], tuple) else (found[0],)
    return [float(value.replace(",", "").rstrip(".")) for value in values]
