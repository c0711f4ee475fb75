"""Honest work that was edited as people edit: it keeps its points, and its words reach the marker in their order."""

import json

import nbformat
import pytest

from grader.demo_class import fill
from grader.gradebook import autograded_notebook
from grader.grading import grade_files
from grader.host import sandbox_problem
from grader.intake import take_in
from grader.settings import Settings
from tests.conftest import LESSON

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
CODE = ("preference_accuracy", "SyntheticPreferenceDataset", "training_step", "held_out_report")


def place(notebook, name) -> int:
    return next(number for number, cell in enumerate(notebook.cells) if cell.id == name)


def new(kind, source, **fields):
    return getattr(nbformat.v4, f"new_{kind}_cell")(source, **fields)


def merged_into_one(notebook, answers):
    """Jupyter's "merge cells": one cell with all answers, the others gone."""
    first = place(notebook, CODE[0])
    notebook.cells[first].source = "\n\n".join(answers[name] for name in CODE)
    for name in CODE[1:]:
        del notebook.cells[place(notebook, name)]


def merged_and_stubs_left(notebook, answers):
    for name in CODE:
        notebook.cells[place(notebook, name)].source = STUBS[name]
    notebook.cells[place(notebook, CODE[0])].source = "\n\n".join(answers[name] for name in CODE)


def written_in_new_cells_above_the_stubs(notebook, answers):
    for name in CODE:
        number = place(notebook, name)
        notebook.cells[number].source = STUBS[name]
        notebook.cells.insert(number, new("code", answers[name]))


def written_in_new_cells_below_the_check(notebook, answers):
    for name in CODE:
        notebook.cells[place(notebook, name)].source = STUBS[name]
        notebook.cells.insert(place(notebook, f"check_{name}") + 1, new("code", answers[name]))


def all_at_the_end(notebook, answers):
    for name in CODE:
        notebook.cells[place(notebook, name)].source = STUBS[name]
    notebook.cells.append(new("code", "\n\n".join(answers[name] for name in CODE)))


def turned_into(kind, wrap="{}"):
    def change(notebook, answers):
        for name in CODE[:2]:
            number = place(notebook, name)
            cell = new(kind, wrap.format(answers[name]), id=name, metadata=notebook.cells[number].metadata)
            notebook.cells[number] = cell

    return change


def one_name_assigned(notebook, answers):
    """A function under another name, and the asked one assigned to it."""
    source = answers[CODE[0]].replace("def preference_accuracy", "def my_accuracy")
    notebook.cells[place(notebook, CODE[0])].source = source + "\n\npreference_accuracy = my_accuracy\n"


def inside_a_condition(notebook, answers):
    lines = "\n".join("    " + line for line in answers[CODE[0]].splitlines())
    notebook.cells[place(notebook, CODE[0])].source = STUBS[CODE[0]]
    notebook.cells.append(new("code", f"if True:\n{lines}\n"))


STUBS: dict[str, str] = {}
EDITS = {
    "merged into one cell": merged_into_one,
    "merged into one cell, the stubs left": merged_and_stubs_left,
    "in new cells above the stubs": written_in_new_cells_above_the_stubs,
    "in new cells below the checks": written_in_new_cells_below_the_check,
    "all in one cell at the end": all_at_the_end,
    "turned into markdown": turned_into("markdown"),
    "turned into markdown with a fence": turned_into("markdown", "```python\n{}\n```"),
    "turned into raw text": turned_into("raw"),
    "a name that is assigned": one_name_assigned,
    "inside a condition, at the end": inside_a_condition,
}


@pytest.fixture(autouse=True)
def stubs(pristine):
    STUBS.update({cell.id: cell.source for cell in pristine.cells if cell.id in CODE})


def submission(tmp_path, pristine, right_answers, edit, name=LESSON):
    notebook = fill(pristine, right_answers)
    edit(notebook, right_answers)
    file = tmp_path / f"{name}.ipynb"
    file.write_text(json.dumps(notebook))
    return file


@pytest.mark.slow
@pytest.mark.skipif(sandbox_problem() is not None, reason="no sandbox")
def test_an_answer_is_what_defines_the_name_wherever_it_stands(tmp_path, pristine, right_answers):
    files = [
        submission(tmp_path, pristine, right_answers, edit, f"{n}") for n, edit in enumerate(EDITS.values())
    ]
    verdicts = list(grade_files(files, Settings("s", workers=2)))
    got = {name: verdict.score for name, verdict in zip(EDITS, verdicts, strict=True)}
    assert got == dict.fromkeys(EDITS, 10.0), [(v.notes, v.checks) for v in verdicts if v.score != 10]
    for name, verdict in zip(EDITS, verdicts, strict=True):
        assert name == "a name that is assigned" or any("put right" in note for note in verdict.notes), name


def texts(notebook):
    return "\n".join(cell.source for cell in notebook.cells)


def test_a_stub_that_nothing_replaces_stays(tmp_path, pristine, right_answers):
    def edit(notebook, answers):
        notebook.cells[place(notebook, CODE[0])].source = STUBS[CODE[0]]

    taken = take_in(submission(tmp_path, pristine, right_answers, edit), {LESSON: pristine}, LESSON)
    assert taken.notebook.cells[place(taken.notebook, CODE[0])].source == STUBS[CODE[0]]


def test_words_in_new_cells_edited_prose_and_split_answers_reach_the_marker_in_order(
    tmp_path, pristine, right_answers
):
    def edit(notebook, answers):
        number = place(notebook, "reflect_noise")
        notebook.cells[number].source = "First half."
        notebook.cells.insert(number + 1, new("markdown", "Second half."))
        prose = next(n for n, cell in enumerate(notebook.cells) if cell.cell_type == "markdown" and n > 3)
        notebook.cells[prose].source += "\n\nMy own remark."
        notebook.cells.append(new("raw", "A last word."))

    taken = take_in(submission(tmp_path, pristine, right_answers, edit), {LESSON: pristine}, LESSON)
    all_text = texts(taken.notebook)
    assert all_text.index("My own remark.") < all_text.index("First half.") < all_text.index("Second half.")
    assert "A last word." in all_text


def test_a_text_below_an_untouched_answer_is_its_answer(tmp_path, pristine, right_answers):
    def edit(notebook, answers):
        number = place(notebook, "reflect_noise")
        notebook.cells[number].source = next(c.source for c in pristine.cells if c.id == "reflect_noise")
        notebook.cells.insert(number + 1, new("markdown", "Half of people."))
        notebook.cells.insert(number + 2, new("markdown", "And the other half."))

    taken = take_in(submission(tmp_path, pristine, right_answers, edit), {LESSON: pristine}, LESSON)
    answer = taken.notebook.cells[place(taken.notebook, "reflect_noise")]
    assert answer.source == "Half of people.\n\nAnd the other half."
    assert texts(taken.notebook).count("Half of people.") == 1


@pytest.mark.parametrize("where", ["the answer", "a new cell"])
def test_a_pasted_picture_is_kept_and_one_that_is_gone_is_named(tmp_path, pristine, right_answers, where):
    picture = {"drawing.png": {"image/png": PIXEL}, "evil.svg": {"image/svg+xml": "<svg onload='x()'/>"}}

    def edit(notebook, answers):
        source = "See ![d](attachment:drawing.png) and ![gone](attachment:gone.png) ![e](attachment:evil.svg)"
        number = place(notebook, "reflect_noise")
        if where == "the answer":
            notebook.cells[number].source, notebook.cells[number]["attachments"] = source, picture
        else:
            notebook.cells[number].source = "Text."
            notebook.cells.insert(number + 1, new("markdown", source, attachments=picture))

    taken = take_in(submission(tmp_path, pristine, right_answers, edit), {LESSON: pristine}, LESSON)
    (cell,) = [cell for cell in taken.notebook.cells if "attachment:drawing.png" in cell.source]
    assert cell.attachments == {"drawing.png": {"image/png": PIXEL}}
    assert "attachment:gone.png" not in cell.source and "picture gone.png is missing" in cell.source
    nbformat.validate(taken.notebook)
    from nbconvert import HTMLExporter

    assert PIXEL in HTMLExporter().from_notebook_node(taken.notebook)[0]


def test_the_autograded_notebook_holds_the_added_words(
    tmp_path, pristine, right_answers, graded_outcome=None
):
    from grader.verdict import Verdict
    from grader.verify import Outcome

    def edit(notebook, answers):
        notebook.cells.insert(place(notebook, "reflect_noise") + 1, new("markdown", "Also this."))

    taken = take_in(submission(tmp_path, pristine, right_answers, edit), {LESSON: pristine}, LESSON)
    outcome = Outcome(Verdict(file="f", lesson=LESSON, status="graded"))
    assert "Also this." in texts(autograded_notebook(taken, outcome, {}))
