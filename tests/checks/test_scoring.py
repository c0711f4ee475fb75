"""The learner's score: what each exercise earned at its last check, for the learner only. No lesson is run: 5 s in all."""

import importlib
import re

import nbformat
import pytest
from nbgrader.utils import is_grade

from grader.build import ROOT, lesson_sources
from grader.recipes import only_recipes
from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.scoring import LessonScore

LESSONS = list(lesson_sources())


def asks_for(name: str, right: float) -> Exercise:
    """An exercise of two cases, of which the second wants a certain number."""
    exercise = Exercise(name, first_step="Think.")

    @exercise.case("a number", points=0.5)
    def _(subject, draw):
        subject.call()

    @exercise.case("the number", points=1.5)
    def _(subject, draw):
        if subject.call().value != right:
            raise Mistake("the number", "another")

    return exercise


@pytest.fixture
def lesson():
    return [asks_for("one", 1.0), asks_for("two", 2.0), asks_for("three", 3.0)]


def empty():
    raise NotImplementedError()


def test_before_any_check_every_exercise_is_said_to_be_unchecked(lesson):
    standing = LessonScore(*lesson)()
    assert standing.score == 0 and standing.max_score == 6
    assert str(standing).count("not checked yet") == 4 and "in this session: 3 of 3" in standing.headline


def test_it_has_what_each_exercise_earned_and_the_sum(lesson):
    one, two, three = lesson
    one(lambda: 1.0)
    two(lambda: 7.0)
    standing = LessonScore(*lesson)()
    rows = [line.split() for line in str(standing).splitlines()[1:4]]
    assert rows[0] == ["one", "2", "of", "2", "all", "cases", "pass"]
    assert rows[1] == ["two", "0.5", "of", "2", "some", "cases", "fail"]
    assert rows[2] == ["three", "0", "of", "2", "not", "checked", "yet"]
    assert "2.5 of 6 points; not checked yet in this session: 1 of 3" in str(standing)
    three(empty)
    standing = LessonScore(*lesson)()
    assert standing.score == 2.5 and "not written yet" in str(standing)
    assert standing.headline == "Your score so far: 2.5 of 6 points"


def test_the_last_check_counts_and_what_was_shown_before_stays(lesson):
    one, score = lesson[0], LessonScore(*lesson)
    one(lambda: 7.0)
    before = score()
    one(lambda: 1.0)
    assert (before.score, score().score) == (0.5, 2.0)
    one(empty)
    assert score().score == 0.0


def test_a_check_that_raises_for_nbgrader_is_remembered_too(lesson, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    with pytest.raises(AssertionError):
        lesson[0](lambda: 7.0)
    assert LessonScore(*lesson)().score == 0.5


def test_the_table_says_what_the_text_says_and_takes_every_colour_of_text_from_the_theme(lesson):
    lesson[1](lambda: 2.0)
    page = LessonScore(*lesson)()._repr_html_()
    text = re.sub(r"\s+", " ", re.sub("<.*?>", " ", page))
    assert "two 2 of 2 all cases pass" in text and "three 0 of 2 not checked yet" in text
    assert not re.search(r"(?<!-)color:(?!inherit)|background", page)
    assert re.search(
        "<table [^>]*color:inherit", page
    )  # else it is black in the dark where a page has no doctype
    assert page.count("<tr>") == 4 and page.count('scope="row"') == 3 and 'scope="col"' in page


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_lesson_shows_the_score_once_after_its_last_check_and_before_its_questions(lesson):
    notebook = nbformat.read(ROOT / "notebooks" / f"{lesson}.ipynb", as_version=4)
    (place,) = [n for n, cell in enumerate(notebook.cells) if cell.source == "check.score()"]
    checks = [n for n, cell in enumerate(notebook.cells) if cell.id.startswith("check_")]
    asks = [n for n, cell in enumerate(notebook.cells) if "quick questions" in cell.source]
    asks += [n for n, cell in enumerate(notebook.cells) if cell.id.startswith("ask_reflect_")]
    assert max(checks) < place < min(asks)
    cell = notebook.cells[place]
    # nbgrader takes points from graded cells only; and what this one shows does not read as a number.
    assert "nbgrader" not in cell.metadata and cell.metadata.tags == ["experiment"]
    score = importlib.import_module(f"reward_lab.lessons.lesson{lesson[:2]}.checks").score
    names = [notebook.cells[n].id.removeprefix("check_") for n in checks]
    assert [exercise.name for exercise in score.exercises] == names
    assert not is_grade(cell)
    with pytest.raises(ValueError):
        float(repr(score()))


def test_in_a_graders_worker_it_says_a_line_and_nothing_else(capsys):
    """Of a lesson's checks a worker has only the recipes."""
    path = ROOT / "src/reward_lab/lessons/lesson08/checks/__init__.py"
    name = "reward_lab.lessons.lesson08.checks"
    left = only_recipes({name: path.read_text(encoding="utf-8")})[name]
    assert "LessonScore" not in left
    space: dict = {}
    exec(left, space)
    assert space["__getattr__"]("score")() is None
    said = capsys.readouterr()
    assert said.out.count("\n") == 1 and said.err == ""
