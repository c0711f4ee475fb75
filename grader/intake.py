"""Take a submitted file in: put its answers into the pristine lesson, or say in plain words why not.

Nothing of the file is kept but the student's words, code and pasted pictures: answers, added cells, changed text. Points,
checks, questions, tags and metadata come from the lesson. What Colab, Jupyter or a file manager did to
the file on its way is put right, with a note.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from .cells import bound_names, is_answer, is_check
from .intake_cells import added, filled, is_colabs_link, is_copy_of_stub, is_edited
from .intake_file import Refused, SubmittedCell, read_file
from .intake_match import choose_copies, code_again, match
from .intake_pictures import with_pictures_beside
from .submitted import submission_problem, time_problem


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
    cells, notes = with_pictures_beside(file.cells, path), file.notes
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


def take_in_submitted(file: Path, lessons: Mapping[str, NotebookNode], lesson: str) -> Submission:
    """Read a file below submitted/<student>/<lesson>/, with what is to be said of its place and its time.

    Raises:
        Refused: see take_in; or it is a link, a pipe or a folder, or the student's name can't stand.
    """
    problem = submission_problem(file)
    if problem:
        raise Refused(problem)
    submission = take_in(file, lessons, lesson)
    late = time_problem(file.parent)
    submission.notes += [late] if late else []
    return submission


def _fit(pristine: NotebookNode, cells: list[SubmittedCell]) -> int:
    """How many of the lesson's answers and checks the submission seems to hold."""
    return sum(
        cell.metadata.get("nbgrader", {}).get("grade_id") is not None
        for cell in match(pristine, cells).values()
    )


def _assemble(
    lesson: str, pristine: NotebookNode, cells: list[SubmittedCell], notes: list[str]
) -> Submission:
    """The pristine lesson with the student's answers and added cells, in the student's order."""
    cells = [code_again(cell, pristine, notes) for cell in cells]
    matched = match(pristine, cells)
    chosen = choose_copies(cells, matched)
    ordered: list[tuple[NotebookNode, bool]] = []  # (cell, whether it is the lesson's)
    for position, cell in enumerate(cells):
        target = matched.get(position)
        if target is None or (is_answer(target) and chosen[id(target)] != position):
            if (cell.source.strip() or cell.attachments) and not is_copy_of_stub(cell, target):
                ordered.append((added(cell, position), False))
        elif chosen[id(target)] == position:
            ordered.append((filled(target, cell), True))
            if is_edited(cell, target):
                ordered.append((added(cell, position), False))
    ordered = _texts_below_untouched_answers(
        pristine, [each for each in ordered if not is_colabs_link(each[0])]
    )
    notes += _duplicates(matched) + _edited(cells, matched, chosen)
    elsewhere = _defined_elsewhere(pristine, ordered)
    notes += [f"answer `{name}` stands in another cell; put right" for name in elsewhere]
    missing = [c.id for c in pristine.cells if is_answer(c) and id(c) not in chosen and c.id not in elsewhere]
    notes += [f"answer `{name}` is missing" for name in missing]
    notebook = nbformat.v4.new_notebook(
        cells=_with_missing_cells(pristine, ordered, elsewhere),
        metadata=dict(pristine.metadata),
        nbformat_minor=5,
    )
    return Submission(lesson, notebook, notes, missing)


def _texts_below_untouched_answers(
    pristine: NotebookNode, ordered: list[tuple[NotebookNode, bool]]
) -> list[tuple[NotebookNode, bool]]:
    """Written answers that stand in new cells right below the given one become its text."""
    stubs = {c.id: c.source.strip() for c in pristine.cells if is_answer(c) and c.cell_type == "markdown"}
    kept: list[tuple[NotebookNode, bool]] = []
    into: NotebookNode | None = None  # the answer that texts go into
    for cell, own in ordered:
        if own:
            into = cell if stubs.get(cell.id) == cell.source.strip() else None
        elif into is not None and cell.cell_type != "code":
            first = into.source.strip() == stubs[into.id]
            into.source = cell.source if first else f"{into.source}\n\n{cell.source}"
            if cell.get("attachments"):
                into.attachments = {**into.get("attachments", {}), **cell.attachments}
            continue
        else:
            into = None
        kept.append((cell, own))
    return kept


def _defined_elsewhere(pristine: NotebookNode, ordered: list[tuple[NotebookNode, bool]]) -> dict[str, str]:
    """Answer -> the last of the student's cells that defines it, where its own cell is the empty exercise or gone."""
    stubs = {c.id: c.source.strip() for c in pristine.cells if is_answer(c) and c.cell_type == "code"}
    written = {
        cell.id: bound_names(cell.source)
        for cell, own in ordered
        if cell.cell_type == "code"
        and (not own or stubs.get(cell.id, cell.source.strip()) != cell.source.strip())
    }
    found = {}
    for name in stubs.keys() - written.keys():
        places = [cell_id for cell_id, names in written.items() if name in names]
        if places:
            found[name] = places[-1]
    return dict(sorted(found.items()))


def _with_missing_cells(
    pristine: NotebookNode, ordered: list[tuple[NotebookNode, bool]], elsewhere: Mapping[str, str]
) -> list[NotebookNode]:
    """Add the lesson's cells that are not there, each after the cell it follows; checks after their answers.

    The empty exercise never overrides what the student defined in another cell.
    """
    cells = [cell for cell, _ in ordered]
    present = {cell.id for cell, own in ordered if own}
    previous = None
    for target in pristine.cells:
        if target.id not in present:
            stub = filled(target, SubmittedCell(target.cell_type, target.source, None, None))
            cells.insert(_position(cells, previous) + 1, stub)
        previous = target.id
    for cell in cells:
        if cell.id in elsewhere:
            cell.source = f"# {cell.id} is defined in another cell"
    for check in [cell for cell in cells if is_check(cell)]:
        name = check.id.removeprefix("check_")
        answer = max(_position(cells, name), _position(cells, elsewhere.get(name)))
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
