"""A course's gradebook on PostgreSQL: set up, graded, marked, exported and moved; several writers at once, and kills."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Base, Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from sqlalchemy import make_url, select, text

from grader import gradebook as gradebook_module
from grader.__main__ import main
from grader.build import ROOT
from grader.build import main as build
from grader.database import CourseError, as_url, course_settings, database_url, move, open_gradebook, rows_of
from grader.demo_class import correct, submit
from grader.gradebook import CourseGradebook, write_feedback
from grader.host import sandbox_problem
from grader.intake import take_in
from grader.verdict import CheckVerdict, Outcome, Verdict

from ..conftest import LESSON
from .postgresql import running_server, why_none

pytestmark = pytest.mark.slow
needs_server = pytest.mark.skipif(why_none() is not None, reason=str(why_none()))
PLACES = ["sqlite", pytest.param("postgresql", marks=needs_server)]
STUDENTS = [f"student {number}" for number in range(6)]


@pytest.fixture(scope="module")
def server():
    with running_server() as server:
        yield server


@pytest.fixture
def copy_of_course(course, tmp_path) -> Path:
    shutil.copytree(course, tmp_path / "course")
    return tmp_path / "course"


@pytest.fixture
def at(request, copy_of_course):
    """The course, with its gradebook at `sqlite` or `postgresql`."""

    def place(kind: str) -> Path:
        if kind == "postgresql":
            url = request.getfixturevalue("server").new_database(f"class_{random.randrange(10**9)}")
            move(copy_of_course, as_url(copy_of_course, url))
        return copy_of_course

    return place


@pytest.fixture
def handed_in(copy_of_course, pristine, right_answers):
    """What grading STUDENTS came to, with made-up points."""
    results = []
    for number, student in enumerate(STUDENTS):
        file = copy_of_course / "submitted" / student / LESSON / f"{LESSON}.ipynb"
        file.parent.mkdir(parents=True)
        file.write_text(correct(pristine, right_answers))
        submission = take_in(file, {LESSON: pristine}, LESSON)
        checks = [
            CheckVerdict(cell.id, number / 10, cell.metadata.nbgrader.points, "as it is")
            for cell in pristine.cells
            if cell.id.startswith("check_")
        ]
        results.append((student, submission, Outcome(Verdict(str(file), LESSON, "graded", checks=checks))))
    return results


@contextlib.contextmanager
def opened(course: Path):
    with open_gradebook(database_url(course), "reward-lab") as gradebook:
        yield gradebook


def marks(course: Path) -> dict[str, tuple[float, float]]:
    """student -> what checks gave, what was given by hand."""
    with opened(course) as gradebook:
        return {
            s.student.id: (
                round(sum(g.auto_score or 0 for n in s.notebooks for g in n.grades), 6),
                sum(g.manual_score or 0 for n in s.notebooks for g in n.grades),
            )
            for s in gradebook.assignment_submissions(LESSON)
        }


def contents(course: Path) -> dict[str, list]:
    with opened(course) as gradebook, gradebook.engine.connect() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in Base.metadata.sorted_tables
        }


def write_all(course: Path, results) -> None:
    with CourseGradebook(course, LESSON) as gradebook:
        for student, submission, outcome in results:
            gradebook.write(student, submission, outcome)


def mark_by_hand(gradebook: Gradebook, student: str, points: float, words: str) -> None:
    """As Formgrader does it, one transaction for each field."""
    notebook = gradebook.find_submission_notebook(LESSON, LESSON, student)
    for grade in notebook.grades:
        if grade.name.startswith("reflect_"):
            grade.manual_score, grade.needs_manual_grade = points, False
            gradebook.db.commit()
    for comment in notebook.comments:
        comment.manual_comment = words
        gradebook.db.commit()


@needs_server
@pytest.mark.skipif(sandbox_problem() is not None, reason=f"no sandbox: {sandbox_problem()}")
def test_a_course_is_set_up_graded_marked_and_exported_on_postgresql(server, pristine, tmp_path, capsys):
    course, url = tmp_path / "course", server.new_database("whole_way")
    assert build(["--course", str(course), "--database", url]) == 0
    assert build(["--course", str(course), "--database", url]) == 0  # again: nothing to say
    assert not (course / "gradebook.db").exists()
    assert (course / "nbgrader_config.py").stat().st_mode & 0o077 == 0  # the password stands in it
    submit(course, LESSON, pristine)
    assert main(["run", str(course), LESSON, "--seed", "s"]) == 0
    said = capsys.readouterr().out
    assert "secret" not in said and "whole_way" in said
    assert {name: auto for name, (auto, _) in marks(course).items()} == {
        "ada": 10.0, "ben": 5.0, "chen": 0.0, "dora": 8.5, "emre": 10.0,
    }  # fmt: skip
    with opened(course) as gradebook:
        mark_by_hand(gradebook, "dora", 1.0, "well seen")
    # Formgrader's lists, and stock nbgrader by the same path.
    config = course_settings(course)
    api = NbGraderAPI(CourseDirectory(config=config, root=str(course)), config=config)
    listed = {s["student"]: s["score"] for s in api.get_submissions(LESSON) if s["autograded"]}
    assert listed["ada"] == 10 and listed["dora"] > 8.5 and set(listed) >= {"ben", "chen", "emre"}
    nbgrader = [sys.executable, "-m", "nbgrader", "autograde", LESSON, "--student", "dora", "--force"]
    done = subprocess.run(nbgrader, cwd=course, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert marks(course)["dora"][0] == 8.5 and marks(course)["dora"][1] > 0
    write_feedback(course, "dora", LESSON)
    assert "well seen" in (course / "feedback" / "dora" / LESSON / f"{LESSON}.html").read_text()
    table = tmp_path / "grades.csv"
    assert main(["export", str(course), LESSON, "--for", "csv", "-o", str(table), "--anyway"]) == 0
    assert len(table.read_text().splitlines()) >= 6


@needs_server
def test_a_gradebook_moves_there_and_back_whole(server, copy_of_course, handed_in, capsys):
    course, url = copy_of_course, server.new_database("to_and_fro")
    write_all(course, handed_in)
    with opened(course) as gradebook:
        mark_by_hand(gradebook, STUDENTS[2], 1.5, "gut gemacht \u2713")
    before, rows = contents(course), rows_of(course)
    assert rows["grade"] > 30
    assert main(["database", str(course), "--move", url]) == 0
    assert f"{rows['grade']:8,d}  grade" in capsys.readouterr().out
    assert database_url(course).drivername == "postgresql+psycopg" and contents(course) == before
    assert not (course / "gradebook.db").exists() and (course / "gradebook.db.moved").exists()
    write_all(course, handed_in)  # and goes on there
    assert main(["database", str(course), "--move", "sqlite"]) == 0
    assert database_url(course).drivername == "sqlite" and (course / "gradebook.db").exists()
    # nbgrader counts an export or a feedback page nowhere: all is as it was, but what grading again brings up to date.
    assert {name: len(found) for name, found in contents(course).items()} == rows
    assert marks(course)[STUDENTS[2]][1] > 0
    settings = (course / "nbgrader_config.py").read_text()
    assert "postgresql" not in settings and "configure(c)" in settings


@needs_server
def test_a_place_that_holds_a_gradebook_is_not_written_over(
    server, copy_of_course, handed_in, tmp_path, capsys
):
    course, other = copy_of_course, tmp_path / "other"
    shutil.copytree(course, other)
    url = server.new_database("taken")
    move(other, as_url(other, url))
    write_all(course, handed_in)
    before = contents(course)
    assert main(["database", str(course), "--move", url]) == 1
    assert "already" in capsys.readouterr().err
    assert contents(course) == before and database_url(course).drivername == "sqlite"
    assert rows_of(other)["student"] == 0
    assert build(["--course", str(course), "--database", url]) == 1
    assert "To move it" in capsys.readouterr().err


@needs_server
def test_a_move_that_fails_in_the_middle_leaves_all_as_it_was(server, copy_of_course, handed_in):
    course = copy_of_course
    write_all(course, handed_in)
    url = as_url(course, server.new_database("half"))
    with open_gradebook(url, "reward-lab") as there, there.engine.begin() as connection:
        connection.execute(text("ALTER TABLE grade ADD CONSTRAINT no CHECK (auto_score < 0.3)"))
    with pytest.raises(CourseError, match="nothing was moved"):
        move(course, url)
    assert (course / "gradebook.db").exists() and database_url(course).drivername == "sqlite"
    with open_gradebook(url, "reward-lab") as there:
        assert there.students == []


@pytest.mark.parametrize("place", PLACES)
def test_two_markers_and_a_run_write_at_once_and_nothing_is_lost(place, at, handed_in):
    course = at(place)
    write_all(course, handed_in)
    failures = []

    def guarded(act, *arguments):
        def run():
            try:
                act(*arguments)
            except Exception as error:  # any: it is shown below
                failures.append(error)

        return threading.Thread(target=run)

    def marker(number: int) -> None:
        with opened(course) as gradebook:
            for points in (0.5, 1.0, 1.5):
                for student in STUDENTS[number::2]:
                    mark_by_hand(gradebook, student, points, f"marker {number}")

    def regrade() -> None:
        for _ in range(3):
            write_all(course, handed_in)

    writers = [guarded(marker, 0), guarded(marker, 1), guarded(regrade)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(300)
    assert not failures and not any(writer.is_alive() for writer in writers)
    found = marks(course)
    checks = sum(cell.id.startswith("check_") for cell in handed_in[0][1].notebook.cells)
    written = sum(cell.id.startswith("reflect_") for cell in handed_in[0][1].notebook.cells)
    for number, student in enumerate(STUDENTS):
        assert found[student] == (pytest.approx(checks * number / 10), 1.5 * written)
    with opened(course) as gradebook:
        for number, student in enumerate(STUDENTS):
            comments = gradebook.find_submission_notebook(LESSON, LESSON, student).comments
            assert {c.manual_comment for c in comments} == {f"marker {number % 2}"}


KILLED = """
import pickle, sys
from pathlib import Path
from grader.gradebook import CourseGradebook
course, lesson, results = Path(sys.argv[1]), sys.argv[2], pickle.load(open(sys.argv[3], "rb"))
print("ready", flush=True)
while True:
    with CourseGradebook(course, lesson) as gradebook:
        for each in results:
            gradebook.write(*each)
"""


@needs_server
def test_a_writer_killed_at_any_moment_leaves_whole_marks_on_postgresql(at, handed_in, tmp_path):
    import pickle

    course = at("postgresql")
    (tmp_path / "results").write_bytes(pickle.dumps(handed_in))
    checks = sum(cell.id.startswith("check_") for cell in handed_in[0][1].notebook.cells)
    whole = {student: checks * number / 10 for number, student in enumerate(STUDENTS)}
    moments = random.Random(0)
    for _ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(course), LESSON, str(tmp_path / "results")],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert writer.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0.0, 1.5))
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        for student, (auto, _) in marks(course).items():
            assert auto == pytest.approx(whole[student]) or auto == 0
    write_all(course, handed_in)
    assert {name: auto for name, (auto, _) in marks(course).items()} == pytest.approx(whole)


@needs_server
def test_a_server_that_is_gone_is_told_in_a_sentence(server, copy_of_course, capsys):
    course = copy_of_course
    move(course, as_url(course, server.new_database("soon_gone")))
    server.stop()
    try:
        for command in (["database", str(course)], ["export", str(course), LESSON, "--for", "csv"]):
            assert main(command) == 1
            said = capsys.readouterr().err
            assert "can't be opened" in said and "secret" not in said and "Traceback" not in said
    finally:
        server.start()


@pytest.mark.parametrize("url", ["mysql://a@b/c", "nonsense", "postgresql://host", "sqlite:///elsewhere.db"])
def test_a_place_that_is_none_is_an_error_that_says_what_is_expected(url, copy_of_course, capsys):
    assert main(["database", str(copy_of_course), "--move", url]) == 1
    assert "expected postgresql+psycopg://" in capsys.readouterr().err


def test_the_feedback_of_a_class_opens_the_gradebook_once_for_each_place(
    copy_of_course, handed_in, monkeypatch
):
    write_all(copy_of_course, handed_in)
    opened_at = []

    class Counted(gradebook_module._KeptGradebook):
        def __init__(self, url):
            opened_at.append(make_url(url).database)
            super().__init__(url)

    monkeypatch.setattr(gradebook_module, "_kept", gradebook_module.cache(Counted))
    for student in STUDENTS[:3]:
        write_feedback(copy_of_course, student, LESSON)
        page = (copy_of_course / "feedback" / student / LESSON / f"{LESSON}.html").read_text()
        assert "as it is" in page
    assert len(opened_at) == 1
    nbformat.validate(handed_in[0][1].notebook)
