"""Grades and feedback leave in the form that each LMS takes back, and nothing that has to be told leaves in silence."""

import csv
import shutil
import zipfile

import pytest
from nbgrader.api import Gradebook

from grader.__main__ import main
from grader.collect import collect
from grader.lms_csv import inert
from grader.lms_names import origin
from grader.project import own_project
from grader.records import record_of, sources_digest, write_record
from grader.submitted import content_digest
from grader.verdict import Verdict

from ..conftest import LESSON

NOTEBOOK = '{"cells": [{"id": "preference_accuracy"}]}'
ENTRIES = {
    "canvas": ["=doejane_11_901_a.ipynb", "doejane_LATE_12_902_a.ipynb", "anna_13_903_a.ipynb"],
    "moodle": [f"{n}_assignsubmission_file/a.ipynb" for n in ("=Jane Doe_11", "Jane Doe_12", "Anna_13")],
}
CANVAS = """\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,Essay (70),Reward modeling (71),Final Score
    Points Possible,,,,,10,16,(read only)
"=Doe, Jane",11,s1,jane1,A,7,,50
"Doe, Jane",12,s2,jane2,A,8,,51
"Anna",13,s3,anna,B,9,,52
"Late, Comer",14,s4,late,B,1,,53
"Student, Test",99,,x,A,,,0
"""
MOODLE = """\ufeffIdentifier,"Full name","Email address",Status,Grade,"Maximum grade","Last modified (grade)",Feedback
"Participant 11","=Jane Doe",a@x,Submitted,,16.00,-,
"Participant 12","Jane Doe",b@x,Submitted,,16.00,-,
"Participant 13",Anna,c@x,Submitted,,16.00,-,
"Participant 14",Late,d@x,"No submission",5.00,16.00,-,
"""


def graded_course(course, folder, form):
    """A course whose three students were collected from an LMS and have 7, 8 and 9 points and marks by hand."""
    shutil.copytree(course, folder)
    with zipfile.ZipFile(folder / "d.zip", "w") as archive:
        for name in ENTRIES[form]:
            archive.writestr(name, NOTEBOOK)
    collect(folder, LESSON, [folder / "d.zip"])
    students = [origin(name).student for name in ENTRIES[form]]
    sources = sources_digest(folder, LESSON, own_project())
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}", "reward-lab") as gradebook:
        for points, student in enumerate(students, 7):
            gradebook.update_or_create_student(student)
            (notebook,) = gradebook.update_or_create_submission(LESSON, student).notebooks
            for grade in notebook.grades:
                grade.needs_manual_grade = False
                if grade.name.startswith("check_"):
                    grade.auto_score = float(points) if grade.name == "check_preference_accuracy" else 0.0
                else:
                    grade.manual_score = 3.0
            file = folder / "submitted" / student / LESSON / f"{LESSON}.ipynb"
            verdict = Verdict(str(file), LESSON, "graded", float(points), 10.0)
            write_record(record_of(folder, LESSON, student), "k", verdict, content_digest(file), sources)
            page = folder / "feedback" / student / LESSON / f"{LESSON}.html"
            page.parent.mkdir(parents=True)
            page.write_text(student)
        hand = sum(not grade.name.startswith("check_") for grade in notebook.grades) * 3.0
        gradebook.db.commit()
    return students, [points + hand for points in (7, 8, 9)]


@pytest.fixture(scope="module")
def graded(course, tmp_path_factory):
    """Form -> (course, students, totals) of a graded class. Tests work on a copy."""
    folders = {form: tmp_path_factory.mktemp(form) / "course" for form in ENTRIES}
    return {form: (folder, *graded_course(course, folder, form)) for form, folder in folders.items()}


@pytest.fixture(params=["canvas", "moodle"])
def ready(request, graded, tmp_path):
    """(form, course, students, totals, roster) of a graded class."""
    form = request.param
    made, students, totals = graded[form]
    shutil.copytree(made, tmp_path / "course")
    roster = tmp_path / "roster.csv"
    roster.write_text(CANVAS if form == "canvas" else MOODLE, encoding="utf-8")
    return form, tmp_path / "course", students, totals, roster


def export(course, form, *more):
    return main(["export", str(course), LESSON, "--for", form, *map(str, more)])


def read(file):
    with file.open(encoding="utf-8-sig", newline="") as source:
        return list(csv.DictReader(source))


def test_grades_go_into_the_file_that_the_lms_gave_namesakes_apart_and_nothing_else_changes(ready, tmp_path):
    form, course, _, totals, roster = ready
    assert export(course, form, "--roster", roster, "-o", tmp_path / "out.csv") == 0
    rows = read(tmp_path / "out.csv")
    if form == "canvas":
        given = {row["ID"]: row["Reward modeling (71)"] for row in rows}
        assert rows[0]["Student"] == "    Points Possible" and rows[0]["Reward modeling (71)"] == "16"
        assert list(rows[0]) == [
            "Student",
            "ID",
            "SIS User ID",
            "SIS Login ID",
            "Section",
            "Reward modeling (71)",
        ]
        assert "14" not in given and "99" not in given  # nobody's grade is emptied
    else:
        given = {row["Identifier"].split()[-1]: row["Grade"] for row in rows}
        assert given["14"] == "5.00" and rows[0]["Last modified (grade)"] == "-"
    assert [float(given[key]) for key in ("11", "12", "13")] == totals


def test_a_name_that_is_a_formula_is_none_in_the_file(ready, tmp_path):
    form, course, _, _, roster = ready
    for to in (form, "csv"):
        assert export(course, to, "--roster", roster, "-o", tmp_path / "out.csv") == 0
        cells = [cell for row in read(tmp_path / "out.csv") for cell in row.values()]
        assert any("'=" in cell for cell in cells) and not any(
            cell.startswith(("=", "@", "+")) for cell in cells
        )


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1"])
def test_formulas_are_made_inert(text):
    assert inert(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-3.5", "3", "-", "Doe, Jane", 4.0])
def test_numbers_and_names_stay_as_they_are(value):
    assert inert(value) == value


def break_submission(course, student):
    (course / "submitted" / student / LESSON / f"{LESSON}.ipynb").write_text("{}")
    return "changed since it was graded"


def lose_verdict(course, student):
    record_of(course, LESSON, student).unlink()
    return "no verdict"


def change_checks(course, student):
    record = record_of(course, LESSON, student)
    file = course / "submitted" / student / LESSON / f"{LESSON}.ipynb"
    write_record(record, "k", Verdict(str(file), LESSON, "graded", 1.0, 10.0), content_digest(file), b"old")
    return "lesson, checks or grader changed"


def refuse(course, student):
    file = course / "submitted" / student / LESSON / f"{LESSON}.ipynb"
    sources = sources_digest(course, LESSON, own_project())
    verdict = Verdict(str(file), LESSON, problem="not JSON\x1b[2J")
    write_record(record_of(course, LESSON, student), "k", verdict, content_digest(file), sources)
    return "was refused: not JSON\\x1b"


def of_gradebook(change):
    def act(course, student):
        with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "reward-lab") as gradebook:
            said = change(gradebook.find_submission(LESSON, student))
            gradebook.db.commit()
        return said

    return act


@of_gradebook
def forget_hand_mark(submission):
    (grade,) = [g for g in submission.notebooks[0].grades if g.name == "reflect_noise"]
    grade.manual_score, grade.auto_score = None, None
    return "`reflect_noise` has no mark by hand"


@of_gradebook
def come_late(submission):
    submission.notebooks[0].late_submission_penalty = 2.0
    return "2 points are taken off for lateness"


@pytest.mark.parametrize(
    "trouble", [break_submission, lose_verdict, change_checks, refuse, forget_hand_mark, come_late]
)
def test_what_has_to_be_told_is_told_before_anything_is_written(graded, tmp_path, capsys, trouble):
    folder = tmp_path / "course"
    made, students, _ = graded["moodle"]
    shutil.copytree(made, folder)
    said = trouble(folder, students[1])
    roster, output = tmp_path / "roster.csv", tmp_path / "out.csv"
    roster.write_text(MOODLE, encoding="utf-8")
    assert export(folder, "moodle", "--roster", roster, "-o", output) == 1
    told = capsys.readouterr().err
    assert said in told and students[1] in told and "--anyway" in told and "\x1b" not in told
    assert students[0] not in told and not output.exists()
    assert export(folder, "moodle", "--roster", roster, "-o", output, "--anyway") == 0
    assert said in capsys.readouterr().err and output.exists()


def test_a_student_who_is_not_in_the_roster_is_told(ready, tmp_path, capsys):
    form, course, students, _, roster = ready
    lines = roster.read_text(encoding="utf-8").splitlines(keepends=True)
    roster.write_text("".join(line for line in lines if "Anna" not in line), encoding="utf-8")
    assert export(course, form, "--roster", roster, "-o", tmp_path / "out.csv") == 1
    assert f"{students[2]}: is not in the file" in capsys.readouterr().err


def test_feedback_goes_back_under_the_names_that_the_lms_gave(ready, tmp_path):
    form, course, students, _, roster = ready
    pages = tmp_path / "pages.zip"
    assert export(course, form, "--roster", roster, "-o", tmp_path / "o.csv", "--feedback", pages) == 0
    with zipfile.ZipFile(pages) as archive:
        found = {name: archive.read(name).decode() for name in archive.namelist()}
    assert sorted(found.values()) == sorted(students)
    # The LMS knows whose page it is as it knew whose submission it was.
    assert all(origin(name).student == student for name, student in found.items())
    assert all(name.endswith(".html") for name in found)


def test_a_file_that_is_no_roster_and_a_column_that_could_be_two_are_said(ready, tmp_path, capsys):
    form, course, _, _, roster = ready
    roster.write_text("a,b\n1,2\n")
    assert export(course, form, "--roster", roster) == 1
    assert "are expected" in capsys.readouterr().err
    assert export(course, form) == 1
    assert "--roster" in capsys.readouterr().err
    if form == "canvas":
        roster.write_text(
            CANVAS.replace("Essay (70)", "Reward modeling 2 (70)").replace("Reward modeling (71)", "X (71)")
        )
        assert export(course, form, "--roster", roster, "--column", "Y") == 1
        assert "Name it with --column: Reward modeling 2 (70); X (71)" in capsys.readouterr().err
