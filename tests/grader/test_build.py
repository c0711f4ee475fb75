"""A build takes out what students must not see, and gives the same bytes every time."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from grader.build import ROOT, built_files, drift, lesson_sources, main, read_source, released_notebook
from grader.project import Project

LESSONS = list(lesson_sources())
HIDDEN = re.compile(r"### BEGIN (?:SOLUTION|MARK SCHEME)\n(.*?)### END", re.DOTALL)
POINTS = {
    "01_reward_modeling": {
        "check_preference_accuracy": 2, "check_SyntheticPreferenceDataset": 3, "check_training_step": 3,
        "check_held_out_report": 2, "reflect_noise": 2, "reflect_ties": 2, "reflect_pretrained": 2,
    }
}  # fmt: skip


@pytest.fixture(params=LESSONS)
def lesson(request) -> str:
    return request.param


@pytest.fixture
def student(course, lesson):
    """The student version of a lesson, freshly built."""
    return nbformat.read(released_notebook(course, lesson), as_version=4)


def test_no_hidden_line_reaches_the_student(lesson, student):
    cells = read_source(lesson_sources()[lesson]).cells
    written = {cell.source for cell in cells if cell.id.startswith("reflect_")}
    hidden = [block for cell in cells for block in HIDDEN.findall(cell.source)] + sorted(written)
    shown = "\n".join(HIDDEN.sub("", cell.source) for cell in cells if cell.source not in written)
    lines = [line.strip(" #") for block in hidden for line in block.splitlines()]
    secrets = [line for line in lines if len(line) >= 12 and line not in shown]
    assert len(secrets) > 20
    released = "\n".join(cell.source for cell in student.cells)
    assert not [line for line in secrets if line in released]
    for marker in ("BEGIN SOLUTION", "END SOLUTION", "MARK SCHEME", "HIDDEN TESTS"):
        assert marker not in nbformat.writes(student)


def test_a_student_notebook_has_no_outputs_and_no_metadata_but_what_it_needs(student):
    assert set(student.metadata) == {"kernelspec"}
    for cell in student.cells:
        assert set(cell.metadata) <= {"nbgrader", "tags", "editable", "deletable"}
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
    assert "jupytext" not in nbformat.writes(student) and "lines_to_next_cell" not in nbformat.writes(student)


def test_ids_are_the_grade_ids_or_numbers_and_unique(student):
    ids = [cell.id for cell in student.cells]
    assert len(ids) == len(set(ids))
    for cell in student.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        assert cell.id == name or (name is None and re.fullmatch(r"cell-\d{3}", cell.id))


def test_a_check_cell_is_one_line_and_follows_its_stub(student):
    cells = {cell.id: cell for cell in student.cells}
    checks = [name for name in cells if name.startswith("check_")]
    assert 3 <= len(checks) <= 8
    for check in checks:
        name = check.removeprefix("check_")
        assert cells[check].source == f"check.{name}({name})" and cells[check].metadata.nbgrader.locked
        assert "raise NotImplementedError()" in cells[name].source
        assert list(cells).index(check) == list(cells).index(name) + 1


def test_code_fits_the_width_of_a_page(student):
    """At 900 pixels JupyterLab shows 88 characters; the set-up is one glance long."""
    code = [cell for cell in student.cells if cell.cell_type == "code"]
    assert not [line for cell in code for line in cell.source.splitlines() if len(line) > 88]
    assert len(code[0].source.splitlines()) <= 10


def test_points_are_those_that_the_series_promises(lesson, student):
    points = {
        c.id: c.metadata.nbgrader.points for c in student.cells if c.metadata.get("nbgrader", {}).get("grade")
    }
    checks = sum(value for name, value in points.items() if name.startswith("check_"))
    assert checks in (10, 14)  # 10 for the parts; 2 for the whole built of them, and 2 for the bug found
    assert lesson not in POINTS or points == POINTS[lesson]


def test_only_the_check_cell_calls_the_students_name(student):
    names = {cell.id for cell in student.cells if cell.metadata.get("nbgrader", {}).get("solution")}
    for cell in student.cells:
        if cell.cell_type != "code" or "nbgrader" in cell.metadata:
            continue
        if "experiments.attempt(" in cell.source:  # shows the reader's own; unsolved, it blocks nothing
            continue
        used = set(re.findall(r"(?<![\w.])(\w+)\s*\(", cell.source))
        assert not names & used, cell.source


def test_building_twice_gives_the_same_bytes(course, tmp_path):
    command = [sys.executable, "-m", "grader.build", "--course", str(tmp_path)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "1"}, capture_output=True)
    for name in LESSONS:
        for part in ("release", "source"):
            one, other = (folder / part / name / f"{name}.ipynb" for folder in (course, tmp_path))
            assert one.read_bytes() == other.read_bytes()
            assert [path.name for path in one.parent.iterdir()] == [
                f"{name}.ipynb"
            ]  # nothing else is handed out


def test_the_committed_notebooks_are_what_the_sources_build():
    assert drift() == ""


def test_a_course_hands_out_the_committed_notebooks(lesson, course):
    committed = ROOT / "notebooks" / f"{lesson}.ipynb"
    assert released_notebook(course, lesson).read_bytes() == committed.read_bytes()


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of what a build reads and writes, with two of the lessons."""
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("solutions", "notebooks"):
        (tmp_path / name).mkdir()
        for lesson in LESSONS[:2]:
            shutil.copy(next((ROOT / name).glob(f"{lesson}.*")), tmp_path / name)
    return tmp_path


def test_drift_is_a_diff_of_what_differs(checkout):
    source = checkout / "solutions" / "01_reward_modeling.py"
    source.write_text(
        source.read_text().replace("# ## 1. Why does this matter?", "# ## 1. Why does this not matter?")
    )
    stray = checkout / "notebooks" / "99_stray.ipynb"
    stray.write_text("{}")
    difference = drift(Project.at(checkout))
    assert "+++ notebooks/01_reward_modeling.ipynb as it builds" in difference
    assert '+    "## 1. Why does this not matter?' in difference
    assert "99_stray.ipynb has no source" in difference


def test_a_fork_changes_one_line(checkout):
    project = checkout / "pyproject.toml"
    project.write_text(
        project.read_text().replace("github.com/reward-lab/reward-lab", "github.com/somebody/fork")
    )
    for path, text in built_files(Project.at(checkout)).items():
        before = path.read_text()
        changed = [(a, b) for a, b in zip(before.splitlines(), text.splitlines(), strict=True) if a != b]
        assert changed
        for old, new in changed:
            assert old.replace("reward-lab/reward-lab", "somebody/fork") == new


def test_a_placeholder_that_nothing_fills_in_is_an_error(checkout):
    source = checkout / "solutions" / "01_reward_modeling.py"
    source.write_text(source.read_text().replace("{{tag}}", "{{tagg}}"))
    with pytest.raises(ValueError, match="{{tagg}}"):
        read_source(source, Project.at(checkout))


def test_check_exits_with_1_and_the_diff_where_a_notebook_drifted(checkout, monkeypatch, capsys):
    notebook = checkout / "notebooks" / "01_reward_modeling.ipynb"
    notebook.write_bytes(notebook.read_bytes().replace(b"Lesson 1", b"Lesson One", 1))
    monkeypatch.chdir(checkout)
    assert main(["--check"]) == 1
    said = capsys.readouterr().out
    assert "-" in said and "Lesson One" in said and "make notebooks" in said


@pytest.mark.slow
def test_nbgrader_validate_fails_on_the_student_version_and_names_what_to_do(course, tmp_path):
    notebook = nbformat.read(released_notebook(course, "01_reward_modeling"), as_version=4)
    for cell in notebook.cells:
        if "experiment" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("skip-execution")
    nbformat.write(notebook, tmp_path / "01_reward_modeling.ipynb")
    run = subprocess.run(
        [sys.executable, "-m", "nbgrader", "validate", "01_reward_modeling.ipynb"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert "VALIDATION FAILED ON" in run.stdout and "not yet" in run.stdout
