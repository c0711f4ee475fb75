"""Take a submitted file in: put its answers into the pristine lesson, or say in plain words why not.

Nothing of the file is kept but the source of answer cells and of cells that the student added. Points,
checks, questions, tags and metadata come from the lesson. What Colab, Jupyter or a file manager did to
the file on its way is put right, with a note.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from .cells import defined_names, is_answer, is_check
from .intake_file import Refused, SubmittedCell, read_file

SKIP_TAG = "skip-execution"
"""nbclient does not run a cell with this tag. Intake alone decides which cells carry it."""


@dataclass
class Submission:
    """A submission in normal form.

    Fields: `lesson`, its name; `notebook`, the pristine lesson with the student's answers and added
    cells; `notes`, what was put right and what looks like tampering; `missing`, the answers not found.
    """

    lesson: str
    notebook: NotebookNode
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    python: str | None = None
    """The version of Python that saved the file, if it says so."""


def take_in(path: Path, lessons: Mapping[str, NotebookNode], expected: str | None = None) -> Submission:
    """Read one submitted file.

    Args:
        path: the file as it was handed in.
        lessons: name -> pristine student version.
        expected: the lesson it was handed in for; None takes the one it fits best.

    Raises:
        Refused: no way to grade it, with the reason.
    """
    file = read_file(path)
    cells, notes = file.cells, file.notes
    fit = {name: _fit(pristine, cells) for name, pristine in lessons.items()}
    lesson = max(fit, key=fit.get)
    if fit[lesson] == 0:
        raise Refused(
            "This notebook has no answer cell of "
            + (expected or "any lesson")
            + ". Hand in your own copy of the "
            "lesson's notebook, with your answers in it."
        )
    if expected and fit[expected] < fit[lesson]:
        raise Refused(f"This is lesson {lesson}, handed in for {expected}. Hand in {expected}.ipynb.")
    lesson = expected or lesson
    if path.name != f"{lesson}.ipynb":
        notes.append(f"file name `{path.name}` taken for {lesson}.ipynb")
    submission = _assemble(lesson, lessons[lesson], cells, notes)
    submission.python = file.python
    return submission


def _fit(pristine: NotebookNode, cells: list[SubmittedCell]) -> int:
    """How many of the lesson's answers and checks the submission seems to hold."""
    return sum(
        cell.metadata.get("nbgrader", {}).get("grade_id") is not None
        for cell in _match(pristine, cells).values()
    )


def _match(pristine: NotebookNode, cells: list[SubmittedCell]) -> dict[int, NotebookNode]:
    """Position in the submission -> the lesson's cell that it is. Several positions can be copies of one cell.

    In order of trust: the nbgrader name, the cell id, the same source, the name an answer defines, and, for
    a written answer, its place after its question.
    """
    by_name = {c.metadata.nbgrader.grade_id: c for c in pristine.cells if "nbgrader" in c.metadata}
    by_id = {c.id: c for c in pristine.cells}
    by_source: dict[tuple, list] = {}
    for c in pristine.cells:
        if not (is_answer(c) and c.cell_type == "markdown"):  # those all look alike while they are empty
            by_source.setdefault((c.cell_type, c.source.strip()), []).append(c)
    matched: dict[int, NotebookNode] = {}
    for position, cell in enumerate(cells):
        target = by_name.get(cell.grade_id) or by_id.get(cell.cell_id)
        if target is None:
            same = by_source.get((cell.cell_type, cell.source.strip()), [])
            target = same.pop(0) if len(same) > 1 else same[0] if same else None
        if target is not None and cell.cell_type == target.cell_type:
            matched[position] = target
    found = {id(target) for target in matched.values()}
    for answer in pristine.cells:
        if is_answer(answer) and id(answer) not in found:
            find = _find_code_answer if answer.cell_type == "code" else _find_written_answer
            position = find(answer, pristine, cells, matched)
            if position is not None:
                matched[position] = answer
    return matched


def _find_code_answer(answer: NotebookNode, pristine: NotebookNode, cells: list, matched: dict) -> int | None:
    """The last unmatched cell that defines the answer's name."""
    name = answer.metadata.nbgrader.grade_id
    free = (p for p, cell in enumerate(cells) if p not in matched and cell.cell_type == "code")
    return max((p for p in free if name in defined_names(cells[p].source)), default=None)


def _find_written_answer(
    answer: NotebookNode, pristine: NotebookNode, cells: list, matched: dict
) -> int | None:
    """The unmatched text right after the answer's question."""
    question = pristine.cells[pristine.cells.index(answer) - 1]
    after = max((p for p, target in matched.items() if target is question), default=-1) + 1
    if after and after < len(cells) and after not in matched and cells[after].cell_type == "markdown":
        return after
    return None


def _assemble(
    lesson: str, pristine: NotebookNode, cells: list[SubmittedCell], notes: list[str]
) -> Submission:
    """The pristine lesson with the student's answers and added cells, in the student's order."""
    matched = _match(pristine, cells)
    chosen = _choose_copies(cells, matched)
    ordered: list[tuple[NotebookNode, bool]] = []  # (cell, whether it is the lesson's)
    for position, cell in enumerate(cells):
        target = matched.get(position)
        if target is None or (is_answer(target) and chosen[id(target)] != position):
            if cell.cell_type == "code" and cell.source.strip() and not _is_copy_of_stub(cell, target):
                ordered.append((_added(cell, position), False))
        elif chosen[id(target)] == position:
            ordered.append((_filled(target, cell), True))
            if _is_edited_setup(cell, target):
                ordered.append((_added(cell, position), False))
    notes += _duplicates(matched) + _edited(cells, matched, chosen)
    missing = [c.id for c in pristine.cells if is_answer(c) and id(c) not in chosen]
    notes += [f"answer `{name}` is missing" for name in missing]
    notebook = nbformat.v4.new_notebook(
        cells=_with_missing_cells(pristine, ordered), metadata=dict(pristine.metadata), nbformat_minor=5
    )
    return Submission(lesson, notebook, notes, missing)


def _choose_copies(cells: list[SubmittedCell], matched: dict[int, NotebookNode]) -> dict[int, int]:
    """id(lesson cell) -> the position whose source counts: the last one that is not the empty exercise."""
    chosen: dict[int, int] = {}
    for position, target in matched.items():
        if id(target) not in chosen or cells[position].source.strip() != target.source.strip():
            chosen[id(target)] = position
    return chosen


def _is_copy_of_stub(cell: SubmittedCell, target: NotebookNode | None) -> bool:
    return target is not None and cell.source.strip() == target.source.strip()


def _is_edited_setup(cell: SubmittedCell, target: NotebookNode) -> bool:
    """Whether the student changed a cell that grading runs: an import added there may be needed by an answer."""
    free = "nbgrader" not in target.metadata and "experiment" not in target.metadata.get("tags", [])
    return target.cell_type == "code" and free and not _is_copy_of_stub(cell, target)


def _added(cell: SubmittedCell, position: int) -> NotebookNode:
    return nbformat.v4.new_code_cell(cell.source, id=f"added-{position + 1:03d}")


def _filled(target: NotebookNode, cell: SubmittedCell) -> NotebookNode:
    """The lesson's cell; if it is an answer, with the student's source."""
    filled = nbformat.from_dict(target)
    if is_answer(target) and cell.source.strip() != target.source.strip():
        filled.source = cell.source
    if "experiment" in target.metadata.get("tags", []):
        filled.metadata.tags = [*target.metadata.tags, SKIP_TAG]
    return filled


def _with_missing_cells(
    pristine: NotebookNode, ordered: list[tuple[NotebookNode, bool]]
) -> list[NotebookNode]:
    """Add the lesson's cells that are not there, each after the cell it follows; checks after their answers."""
    cells = [cell for cell, _ in ordered]
    present = {cell.id for cell, own in ordered if own}
    previous = None
    for target in pristine.cells:
        if target.id not in present:
            stub = _filled(target, SubmittedCell(target.cell_type, target.source, None, None))
            cells.insert(_position(cells, previous) + 1, stub)
        previous = target.id
    for check in [cell for cell in cells if is_check(cell)]:
        answer = _position(cells, check.id.removeprefix("check_"))
        if _position(cells, check.id) < answer:
            cells.remove(check)
            cells.insert(answer, check)
    return cells


def _position(cells: list[NotebookNode], cell_id: str | None) -> int:
    return next((position for position, cell in enumerate(cells) if cell.id == cell_id), -1)


def _duplicates(matched: dict[int, NotebookNode]) -> list[str]:
    counts = Counter(target.id for target in matched.values() if "nbgrader" in target.metadata)
    return [f"cell `{name}` is there {count} times" for name, count in counts.items() if count > 1]


def _edited(cells: list[SubmittedCell], matched: dict, chosen: dict) -> list[str]:
    """Which checks and questions differ from the lesson's. The lesson's own are used."""
    return [
        f"locked cell `{target.id}` was changed; the lesson's own is used"
        for position, target in matched.items()
        if target.metadata.get("nbgrader", {}).get("locked")
        and chosen[id(target)] == position
        and cells[position].source.split() != target.source.split()
    ]
