"""Which cell of the lesson is each cell of a submission?"""

from dataclasses import replace

from nbformat import NotebookNode

from .cells import code_in, defined_names, is_answer
from .intake_file import SubmittedCell


def code_again(cell: SubmittedCell, pristine: NotebookNode, notes: list[str]) -> SubmittedCell:
    """A key press turns code into text. What defines an answer's name is code all the same."""
    if cell.cell_type == "code":
        return cell
    source = code_in(cell.source)
    answers = {c.id for c in pristine.cells if is_answer(c) and c.cell_type == "code"} & defined_names(source)
    if not answers:
        return cell
    notes.append(f"the cell with `{', '.join(sorted(answers))}` had become {cell.cell_type}; put right")
    return replace(cell, cell_type="code", source=source)


def match(pristine: NotebookNode, cells: list[SubmittedCell]) -> dict[int, NotebookNode]:
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


def choose_copies(cells: list[SubmittedCell], matched: dict[int, NotebookNode]) -> dict[int, int]:
    """id(lesson cell) -> the position whose source counts: the last one that is not the empty exercise."""
    chosen: dict[int, int] = {}
    for position, target in matched.items():
        if id(target) not in chosen or cells[position].source.strip() != target.source.strip():
            chosen[id(target)] = position
    return chosen
