"""What holds for every exercise of every lesson: stubs fail, points agree, nobody is left without a hint."""

import importlib
import re

import nbformat
import pytest

from grader.build import ROOT, lesson_sources
from reward_lab.checks.subject import LocalSubject

CHECKS = {
    lesson: importlib.import_module(f"reward_lab.lessons.lesson{lesson[:2]}.checks")
    for lesson in lesson_sources()
}
EXERCISES = [(lesson, name) for lesson, checks in CHECKS.items() for name in checks.__all__]


def student_cells(lesson) -> dict:
    notebook = nbformat.read(ROOT / "notebooks" / f"{lesson}.ipynb", as_version=4)
    return {cell.id: cell for cell in notebook.cells}


def task_of(lesson, name) -> str:
    """The text that sets an exercise."""
    cells = list(student_cells(lesson).values())
    place = next(number for number, cell in enumerate(cells) if cell.id == name)
    return next(cell.source for cell in reversed(cells[:place]) if cell.cell_type == "markdown")


def hints(lesson, name) -> list[str]:
    return re.findall(r"<summary>Hint \d</summary>(.*?)</details>", task_of(lesson, name))


def stub(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize("lesson, name", EXERCISES)
def test_an_empty_exercise_is_not_yet_with_its_next_step(lesson, name):
    exercise = getattr(CHECKS[lesson], name)
    report = exercise.report(lambda seed: LocalSubject(stub, "cpu", seed))
    assert report.not_yet and report.score == 0
    assert "not yet" in str(report) and exercise.first_step in str(report)


@pytest.mark.parametrize("lesson, name", EXERCISES)
def test_an_empty_exercise_names_the_hints_and_gives_none(lesson, name):
    """Costs nothing: no answer is run."""
    exercise = getattr(CHECKS[lesson], name)
    report = exercise.report(lambda seed: LocalSubject(stub, "cpu", seed))
    for shown in (str(report), report._repr_html_()):
        assert "Hints 1 to 3" in shown and "<code>" not in shown
    assert not re.search(r"`|\w\(|\w\.\w|\w_\w|[<>=]", exercise.first_step), "that is code"
    words = set(re.findall(r"\w{4,}", exercise.first_step.lower()))
    for number, hint in enumerate(hints(lesson, name), 1):
        said = set(re.findall(r"\w{4,}", re.sub("<.*?>", " ", hint).lower()))
        assert len(words & said) < 0.6 * len(words), f"this is hint {number}: {hint}"


@pytest.mark.parametrize("lesson", CHECKS)
def test_points_of_checks_and_cells_agree_and_make_what_a_lesson_has(lesson):
    cells = student_cells(lesson)
    points = {
        cell_id.removeprefix("check_"): cell.metadata.nbgrader.points
        for cell_id, cell in cells.items()
        if cell_id.startswith("check_")
    }
    assert points == {name: getattr(CHECKS[lesson], name).max_score for name in CHECKS[lesson].__all__}
    assert sum(points.values()) in (10, 14)


@pytest.mark.parametrize("lesson, name", EXERCISES)
def test_every_exercise_has_three_hints_a_solution_idea_and_an_example_by_hand(lesson, name):
    task = task_of(lesson, name)
    assert re.findall(r"<summary>(.*?)</summary>", task) == ["Hint 1", "Hint 2", "Hint 3", "Solution idea"]
    assert "**By hand.**" in task and re.search(r"\| Points \| \d", task) and "| Time |" in task
    assert f"`{name}(" in task
