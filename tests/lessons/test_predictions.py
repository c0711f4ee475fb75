"""A guess comes before its answer, costs nothing, and is shown beside the truth. Reads notebooks, runs none: 2 s in all."""

import importlib
import re

import nbformat
import pytest

from grader.build import ROOT, lesson_sources
from reward_lab.checks.predicting import Prediction, Predictions

LESSONS = list(lesson_sources())
CALL = re.compile(r'^predict\("(\w+)", \.\.\.\)  # in place of the dots: .+$')


def cells(lesson: str) -> list:
    return nbformat.read(ROOT / "notebooks" / f"{lesson}.ipynb", as_version=4).cells


def questions(lesson: str) -> dict[str, Prediction]:
    return importlib.import_module(f"reward_lab.lessons.lesson{lesson[:2]}").predict.questions


def asked(lesson: str) -> dict[str, int]:
    """Name of each question -> the number of the cell that takes the guess."""
    found = {match.group(1): n for n, cell in enumerate(cells(lesson)) if (match := CALL.match(cell.source))}
    assert found
    return found


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_predict_then_run_has_a_place_for_the_guess_right_below(lesson):
    places = [n for n, cell in enumerate(cells(lesson)) if "**Predict, then run.**" in cell.source]
    assert [n + 1 for n in places] == list(asked(lesson).values())
    assert list(asked(lesson)) == list(questions(lesson))


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_guess_is_compared_once_and_after_it_was_taken(lesson):
    notebook = cells(lesson)
    for name, place in asked(lesson).items():
        compared = [n for n, cell in enumerate(notebook) if f'predict.compare("{name}"' in cell.source]
        assert len(compared) == 1 and compared[0] > place, name
        assert "experiment" in notebook[place].metadata.tags  # the grader skips it


@pytest.mark.parametrize("lesson", LESSONS)
def test_neither_the_next_cell_nor_open_text_tells_the_answer(lesson):
    """The cell that runs the experiment draws nothing with a title or an alt text; the prose after it is folded."""
    notebook = cells(lesson)
    for name, place in asked(lesson).items():
        assert notebook[place + 1].cell_type == "code"
        assert not re.search(r"\balt=|\btitle=|plots\.show", notebook[place + 1].source), name
        end = next(n for n, cell in enumerate(notebook) if f'predict.compare("{name}"' in cell.source)
        after = next(cell.source for cell in notebook[end + 1 :] if cell.cell_type == "markdown")
        assert re.match(r"<details>|#+ |\*\*Against|\*\*Predict", after), (name, after[:80])


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_choices_are_those_of_the_text(lesson):
    notebook = cells(lesson)
    for name, place in asked(lesson).items():
        text = re.sub(r"\s+", " ", notebook[place - 1].source)
        given = re.findall(r"\*\*(\d)\*\* (.*?)(?=; \*\*\d|\.$)", text)
        choices = questions(lesson)[name].choices
        assert [choice for _, choice in given] == list(choices), name
        assert [int(n) for n, _ in given] == list(range(1, len(choices) + 1))
        if choices:
            assert 1 <= questions(lesson)[name].right <= len(choices)
            numbers = "1, 2, 3 or 4" if len(choices) == 4 else "1, 2 or 3"
            assert numbers in notebook[place].source


def test_a_folded_answer_is_closed_in_the_same_cell():
    for lesson in LESSONS:
        for cell in cells(lesson):
            assert cell.source.count("<details>") == cell.source.count("</details>")


@pytest.fixture
def predict():
    return Predictions(shape=Prediction(("flat", "steep"), right=2), share=Prediction())


def test_a_guess_is_remembered_and_shown_beside_the_truth(predict, capsys):
    predict("share", 0.9)
    predict("shape", 1)
    predict.compare("share", 0.66812)
    predict.compare("shape")
    said = capsys.readouterr().out
    assert (
        "your guess: 0.9\nit is:      0.668" in said and "your guess: 1, flat\nit is:      2, steep" in said
    )


@pytest.mark.parametrize("guess", [..., None, "a lot", 7, -1, float("nan"), float("inf"), [1], 1 + 2j])
def test_no_guess_whatever_it_is_stops_the_notebook_or_is_taken_for_an_answer(predict, capsys, guess):
    predict("shape", 1)
    predict("shape", guess)
    predict.compare("shape")
    said = capsys.readouterr().out
    assert "your guess: none" in said and "it is:      2, steep" in said


def test_a_tensor_is_a_truth_too(predict, capsys):
    import torch

    predict.compare("share", torch.tensor(0.25))
    assert "it is:      0.25" in capsys.readouterr().out
