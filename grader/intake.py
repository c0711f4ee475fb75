"""Take a submitted file in: put its answers into the pristine lesson, or say in plain words why not.

Nothing of the file is kept but the source of answer cells and of cells that the student added. Points,
checks, questions, tags and metadata come from the lesson. What Colab, Jupyter or a file manager did to
the file on its way is put right, with a note.
"""

import ast
import functools
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

MAX_BYTES = 50 * 2**20
CELL_TYPES = ("code", "markdown", "raw")
SKIP_TAG = "skip-execution"
"""nbclient does not run a cell with this tag. Intake alone decides which cells carry it."""


class Refused(Exception):
    """The file can't be graded. The message tells the student what is wrong and what to do."""


@dataclass
class SubmittedCell:
    """What a submission says about one cell: its type, its source and the names it goes by."""

    cell_type: str
    source: str
    grade_id: str | None
    cell_id: str | None


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
    cells, notes = read_cells(path)
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
    submission.python = _saved_by(path)
    return submission


def _saved_by(path: Path) -> str | None:
    """The version of Python in a notebook's metadata."""
    language = _read_json(path)
    for name in ("metadata", "language_info"):
        language = language.get(name)
        if not isinstance(language, dict):
            return None
    version = language.get("version")
    return version if isinstance(version, str) and re.fullmatch(r"[\d.]{1,12}", version) else None


def read_cells(path: Path) -> tuple[list[SubmittedCell], list[str]]:
    """The cells of a notebook file of any nbformat from 2 to 4, and notes on what was put right.

    Raises:
        Refused: the file is no such notebook.
    """
    data = _read_json(path)
    version = data.get("nbformat")
    notes = []
    if isinstance(version, int) and version > 4:
        raise Refused(
            f"The notebook format {version} is newer than 4, the newest known here. Save it with JupyterLab 4."
        )
    if "worksheets" in data or (isinstance(version, int) and version < 4):
        try:
            data = nbformat.convert(nbformat.from_dict(data), 4)
        except Exception:
            raise Refused(
                "The notebook is in an old format that can't be converted. Open and save it in Jupyter."
            ) from None
        notes.append(f"notebook format {version} converted to 4")
    raw_cells = data.get("cells")
    if not isinstance(raw_cells, list):
        raise Refused(
            "The file is JSON, but no notebook: it has no list of cells. Download it again as .ipynb."
        )
    cells = []
    for number, raw in enumerate(raw_cells, 1):
        cell = _read_cell(raw)
        if cell:
            cells.append(cell)
        else:
            notes.append(f"cell {number} is damaged and was left out")
    return cells, notes


def _read_json(path: Path) -> dict:
    if not path.is_file():
        raise Refused("There is no such file.")
    size = path.stat().st_size
    if size == 0:
        raise Refused("The file is empty. Download the notebook again, and hand that in.")
    if size > MAX_BYTES:
        raise Refused(
            f"The file has {size / 2**20:.0f} MB, more than {MAX_BYTES // 2**20}. Clear all outputs, save, hand in again."
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refused(f"The file can't be read: {error.strerror}.") from None
    if b"\0" in content:
        raise Refused(
            "The file holds NUL bytes, so it is damaged or no text file. Download the notebook again."
        )
    try:
        data = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Refused("The file is not UTF-8 text. Download the notebook again as .ipynb.") from None
    except RecursionError:
        raise Refused("The file is nested too deeply to be a notebook.") from None
    except ValueError as error:
        conflict = " It holds unresolved git conflicts." if b"<<<<<<<" in content else ""
        place = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Refused(
            f"The file is not valid JSON{place}.{conflict} Download the notebook again as .ipynb."
        ) from None
    if not isinstance(data, dict):
        raise Refused("The file is JSON, but no notebook. Download the notebook again as .ipynb.")
    return data


def _read_cell(raw: object) -> SubmittedCell | None:
    if not isinstance(raw, dict) or raw.get("cell_type") not in CELL_TYPES:
        return None
    source = raw.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    # A lone half of a surrogate pair is legal in JSON and can't be written to a UTF-8 file.
    source = source.encode("utf-8", "replace").decode("utf-8")
    metadata = raw.get("metadata") if isinstance(raw.get("metadata"), dict) else {}
    nbgrader = metadata.get("nbgrader") if isinstance(metadata.get("nbgrader"), dict) else {}
    names = (nbgrader.get("grade_id"), raw.get("id") or metadata.get("id"))
    return SubmittedCell(
        raw["cell_type"], source, *(name if isinstance(name, str) else None for name in names)
    )


def _fit(pristine: NotebookNode, cells: list[SubmittedCell]) -> int:
    """How many of the lesson's answers and checks the submission seems to hold."""
    return sum(
        cell.metadata.get("nbgrader", {}).get("grade_id") is not None
        for cell in _match(pristine, cells).values()
    )


def is_answer(cell: Mapping) -> bool:
    """Whether the student writes in this cell of the lesson."""
    return bool(cell["metadata"].get("nbgrader", {}).get("solution"))


def is_check(cell: Mapping) -> bool:
    """Whether this cell of the lesson checks an answer by itself."""
    nbgrader = cell["metadata"].get("nbgrader", {})
    return bool(nbgrader.get("grade")) and not nbgrader.get("solution")


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


@functools.lru_cache(maxsize=1024)
def parse_cell(source: str) -> ast.Module | None:
    """The syntax tree of a cell, or None if it has none."""
    try:
        # Magics and shell lines are no Python. They stand on lines of their own, so blank those.
        return ast.parse(re.sub(r"^\s*[%!].*$", "", source, flags=re.MULTILINE))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def defined_names(source: str) -> set[str]:
    """Functions and classes that a cell defines at its top level; none if it does not parse."""
    tree = parse_cell(source)
    if tree is None:
        return set()
    return {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


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
