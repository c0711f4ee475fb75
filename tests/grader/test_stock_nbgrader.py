"""`run` and `nbgrader autograde` agree on what people do to a submission: marks, comments, every cell.

One of each kind, which takes half a minute of CPU; all of them, five minutes, with REWARD_LAB_ALL=1.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from grader.__main__ import main
from grader.database import course_gradebook
from grader.demo_class import fill
from grader.grading import course_seed
from grader.host import sandbox_problem

from ..conftest import LESSON
from .attacks import right_with
from .test_fair_intake import CODE, EDITS, STUBS
from .test_honest_work import HONEST_WORK, LOST

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sandbox_problem() is not None, reason=f"no sandbox: {sandbox_problem()}"),
]
EACH = {
    "line ends of Windows",
    "drive.mount above an import",
    "a missing package",
    "shell lines",
    "a module in a cell",
    "a progress bar",
    "an f-string of Python 3.12",
    "a name that is deleted",
    "merged into one cell, the stubs left",
    "in new cells below the checks",
    "turned into markdown",
}
LONG = {  # by nature, and graded by `verify` elsewhere
    "a loop below the answer",
    "a sleep below the answer",
    "cells that compute for most of the time",
    "cells that compute for too long",
    "200,000 lines",
    "a shell cell",
    "an answer that never ends",
}


assert {**HONEST_WORK, **LOST, **EDITS}.keys() >= EACH | LONG


def wanted(kind: str) -> bool:
    return kind not in LONG if "REWARD_LAB_ALL" in os.environ else kind in EACH


def handed_in(course: Path, pristine, answers) -> dict[str, str]:
    """Hand one of each kind in; student -> its kind."""
    kinds = {}
    STUBS.update({cell.id: cell.source for cell in pristine.cells if cell.id in CODE})

    def put(kind: str, data: bytes, name: str = f"{LESSON}.ipynb") -> None:
        student = f"s{len(kinds):02d}"
        file = course / "submitted" / student / LESSON / name
        file.parent.mkdir(parents=True)
        file.write_bytes(data)
        kinds[student] = kind

    right = right_with()(pristine, answers)
    for kind, make in {**HONEST_WORK, **{kind: make for kind, (make, _) in LOST.items()}}.items():
        if wanted(kind):
            put(kind, make(pristine, answers))
    for kind, edit in EDITS.items():
        if not wanted(kind):
            continue
        notebook = fill(pristine, answers)
        edit(notebook, answers)
        put(kind, json.dumps(notebook).encode())
    put("a copy's name", right, f"Copy of {LESSON} (1).ipynb")
    put("a byte order mark", b"\xef\xbb\xbf" + right)
    put("a file that is no notebook", b"%PDF-1.7")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"{LESSON}.ipynb", right)
    put("a zip in place of a notebook", packed.getvalue())
    put("a time that is none", right)
    (course / "submitted" / list(kinds)[-1] / LESSON / "timestamp.txt").write_text("yesterday")
    put("a picture beside it", right)
    (course / "submitted" / list(kinds)[-1] / LESSON / "drawing.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return kinds


def said(output) -> str:
    return output.get("text") or output.get("evalue") or str(output.get("data"))


def came_to(course: Path) -> dict[str, object]:
    """student -> grades, comments, and the cells of the autograded notebook."""
    found = {}
    with course_gradebook(course) as gradebook:
        for record in gradebook.assignment_submissions(LESSON):
            (notebook,) = record.notebooks
            path = course / "autograded" / record.student.id / LESSON / f"{LESSON}.ipynb"
            if not path.exists():  # stock nbgrader keeps an empty record of what it refused
                continue
            cells = nbformat.read(path, as_version=4).cells
            found[record.student.id] = {
                "grades": sorted((g.name, g.auto_score, g.needs_manual_grade) for g in notebook.grades),
                "comments": sorted((c.name, c.auto_comment or "") for c in notebook.comments),
                "cells": [(c.cell_type, c.source, [said(o) for o in c.get("outputs", [])]) for c in cells],
            }
    return found


def test_both_roads_lead_to_the_same_marks_comments_and_cells(
    course, pristine, right_answers, tmp_path, capsys
):
    ours, stock = tmp_path / "ours", tmp_path / "stock"
    shutil.copytree(course, ours)
    kinds = handed_in(ours, pristine, right_answers)
    course_seed(ours)
    shutil.copytree(ours, stock)
    assert main(["run", str(ours), LESSON]) == 0
    refused = {
        line.split(": ")[1] for line in capsys.readouterr().out.splitlines() if line.startswith("refused: ")
    }
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "autograde", LESSON], cwd=stock, capture_output=True, text=True
    )
    assert {kinds[student] for student in refused} == {
        "a file that is no notebook",
        "a zip in place of a notebook",
    }
    assert all(student in done.stderr for student in refused)
    one, other = came_to(ours), came_to(stock)
    assert {kinds[s] for s in one} ^ {kinds[s] for s in other} == set()
    for student in one:
        for what in ("grades", "comments", "cells"):
            assert one[student][what] == other[student][what], (kinds[student], what)
