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


def stub(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize("lesson, name", EXERCISES)
def test_an_empty_exercise_is_not_yet_with_its_next_step(lesson, name):
    exercise = getattr(CHECKS[lesson], name)
    report = exercise.report(lambda seed: LocalSubject(stub, "cpu", seed))
    assert report.not_yet and report.score == 0
    assert "not yet" in str(report) and exercise.first_step in str(report)


@pytest.mark.parametrize("lesson", CHECKS)
def test_points_of_checks_and_cells_agree_and_make_ten(lesson):
    cells = student_cells(lesson)
    points = {
        cell_id.removeprefix("check_"): cell.metadata.nbgrader.points
        for cell_id, cell in cells.items()
        if cell_id.startswith("check_")
    }
    assert points == {name: getattr(CHECKS[lesson], name).max_score for name in CHECKS[lesson].__all__}
    assert sum(points.values()) == 10


@pytest.mark.parametrize("lesson, name", EXERCISES)
def test_every_exercise_has_three_hints_a_solution_idea_and_an_example_by_hand(lesson, name):
    cells = list(student_cells(lesson).values())
    place = next(number for number, cell in enumerate(cells) if cell.id == name)
    task = next(cell.source for cell in reversed(cells[:place]) if cell.cell_type == "markdown")
    assert re.findall(r"<summary>(.*?)</summary>", task) == ["Hint 1", "Hint 2", "Hint 3", "Solution idea"]
    assert "**By hand.**" in task and re.search(r"\| Points \| \d", task) and "| Time |" in task
    assert f"`{name}(" in task
