"""A lesson that `grader.new` writes, in a project outside the repository, builds, runs, checks and grades at once."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from grader.__main__ import main as grade
from grader.build import ROOT, make_course, read_source, released_notebook
from grader.demo_class import fill, right_answers
from grader.headless import execute, pictures
from grader.host import sandbox_problem
from grader.new import main, make_project, write_lesson
from grader.project import Project, ProjectError, course_project, own_project

LESSON = "10_topic"
TIE_AS_WIN = "def win_rate(first, second):\n    return (first >= second).double().mean()\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    folder = tmp_path_factory.mktemp("outside") / "prefs"
    folder.mkdir()
    assert main([LESSON, "--project", str(folder)]) == 0
    return Project.at(folder)


@pytest.fixture(scope="module")
def outside_course(project, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("outside-course")
    make_course(folder, project)
    return folder


def run_in(folder: Path, *command: str) -> str:
    """What a command prints, run as by an author: in a folder of the project, with nothing of it installed."""
    run = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_a_new_project_has_all_parts_of_a_lesson(project):
    assert project.lessons == "prefs.lessons"
    assert list(project.lesson_sources()) == [LESSON]
    names = {path.name for path in project.room_folder(LESSON).glob("*.py")}
    assert names == {"__init__.py", "checks.py", "experiments.py", "figures.py"}
    for path in project.root.rglob("*.py"):
        assert "my_course" not in path.read_text() and "lessonNN" not in path.read_text()


def test_its_course_says_where_the_lessons_come_from(project, outside_course):
    assert course_project(outside_course) == project
    source = nbformat.read(released_notebook(outside_course, LESSON), as_version=4)
    assert "BEGIN SOLUTION" not in nbformat.writes(source) and "colab" not in nbformat.writes(source)


def test_a_course_whose_project_moved_says_how_to_go_on(tmp_path):
    project = make_project(tmp_path / "one")
    write_lesson(LESSON, project)
    make_course(tmp_path / "course", project)
    (tmp_path / "one").rename(tmp_path / "two")
    with pytest.raises(ProjectError, match="python -m grader.build --course .* --project"):
        course_project(tmp_path / "course")
    moved = Project.at(tmp_path / "two")
    make_course(tmp_path / "course", moved)
    assert course_project(tmp_path / "course") == moved
    make_course(tmp_path / "other")  # reward-lab's own needs no note: its checkout may move
    assert course_project(tmp_path / "other") == own_project()


@pytest.mark.parametrize("missing", [".", "checks.py"])
def test_a_lesson_without_checks_is_said_before_anything_is_graded(missing, tmp_path, capsys):
    project = make_project(tmp_path / ("without_room" if missing == "." else "without_checks"))
    write_lesson(LESSON, project)
    room = project.room_folder(LESSON)
    shutil.rmtree(room) if missing == "." else (room / missing).unlink()
    make_course(tmp_path / "course", project)
    folder = tmp_path / "course" / "submitted" / "ada" / LESSON
    folder.mkdir(parents=True)
    shutil.copy(released_notebook(tmp_path / "course", LESSON), folder)
    assert grade(["run", str(tmp_path / "course"), LESSON]) == 1
    assert "10_topic has no checks" in capsys.readouterr().err


def test_writing_a_lesson_again_changes_nothing(project, capsys):
    before = {path: path.read_bytes() for path in project.root.rglob("*.py")}
    for lesson in (LESSON, "10_other"):
        assert main([lesson, "--project", str(project.root)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in project.root.rglob("*.py")} == before


def test_a_file_in_the_way_is_kept_and_nothing_else_is_written(tmp_path):
    project = make_project(tmp_path)
    kept = project.room_folder(LESSON) / "checks.py"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    with pytest.raises(ProjectError, match="checks.py"):
        write_lesson(LESSON, project)
    assert kept.read_text() == "mine" and not list(tmp_path.rglob("10_*"))


def test_a_folder_with_other_things_becomes_a_project_only_where_it_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    assert main([LESSON]) == 1 and [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    assert f"--project {tmp_path.resolve()}" in capsys.readouterr().err
    assert main([LESSON, "--project", "."]) == 0 and (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["topic", "9_topic", "10_Topic", "../10_topic", "10_topic_"])
def test_a_name_that_no_lesson_can_have_is_refused_before_anything_is_written(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([name]) == 1 and not list(tmp_path.iterdir())


def test_in_the_repository_a_lesson_starts_like_the_others(tmp_path):
    for name in ("pyproject.toml", "solutions"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    (tmp_path / "src" / "reward_lab" / "lessons").mkdir(parents=True)
    for package in ("reward_lab", "reward_lab/lessons"):
        (tmp_path / "src" / package / "__init__.py").write_text("kept = True\n")
    project = Project.at(tmp_path)
    written = write_lesson(LESSON, project)
    assert tmp_path / "src/reward_lab/lessons/lesson10/checks.py" in written
    assert tmp_path / "tests/lessons/lesson10/test_checks.py" in written
    assert (tmp_path / "src/reward_lab/lessons/__init__.py").read_text() == "kept = True\n"
    cells = [cell.source for cell in read_source(tmp_path / "solutions" / f"{LESSON}.py", project).cells]
    assert "colab-badge.svg" in cells[0] and "blob/v" in cells[0]


def test_the_skeletons_set_up_is_that_of_the_lessons():
    from grader.new import SET_UP, _source

    lesson = own_project().lesson_sources()["02_bradley_terry"].read_text()
    assert SET_UP.search(_source(own_project())).group() == SET_UP.search(lesson).group()


@pytest.mark.slow
def test_the_lesson_runs_from_first_to_last_cell_and_its_check_gives_full_marks(project, monkeypatch):
    monkeypatch.chdir(project.root)
    executed = execute(read_source(project.lesson_sources()[LESSON], project), project.root)
    check = next(cell for cell in executed.cells if cell.id == "check_win_rate")
    said = "".join(output.get("text", "") + str(output.get("data", "")) for output in check.outputs)
    assert "10" in said and "not yet" not in said
    ((_, alt),) = pictures(executed)
    assert alt


@pytest.mark.slow
def test_its_own_tests_pass(project):
    run_in(project.root, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--unsafe",)], ids=["sandbox", "unsafe"])
def test_submissions_are_graded_from_the_command_line(project, outside_course, tmp_path, options):
    if not options and sandbox_problem():
        pytest.skip(sandbox_problem())
    course = tmp_path / "course"
    shutil.copytree(outside_course, course)
    pristine = nbformat.read(released_notebook(course, LESSON), as_version=4)
    answers = {
        "ada": right_answers(LESSON, project),
        "ben": {"win_rate": TIE_AS_WIN},
        "chen": {},
    }
    for student, answer in answers.items():
        file = course / "submitted" / student / LESSON / f"{LESSON}.ipynb"
        file.parent.mkdir(parents=True)
        nbformat.write(fill(pristine, answer), file)
    printed = run_in(tmp_path, "-m", "grader", "run", str(course), LESSON, "--workers", "1", *options)
    assert "chen" in printed
    autograded = {
        student: nbformat.read(course / "autograded" / student / LESSON / f"{LESSON}.ipynb", as_version=4)
        for student in answers
    }
    outputs = {
        student: next(cell for cell in notebook.cells if cell.id == "check_win_rate").outputs
        for student, notebook in autograded.items()
    }
    points = {student: float(out[1].data["text/plain"]) for student, out in outputs.items()}
    assert points["ada"] == 10 and 0 < points["ben"] < 10 and points["chen"] == 0
    assert "This counts a tie as won." in outputs["ben"][0].text
    assert "not yet" in outputs["chen"][0].text
