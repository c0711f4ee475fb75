"""What an LMS hands out reaches submitted/, under one id for each student; what doesn't is named with its reason."""

import csv
import io
import shutil
import subprocess
import sys
import unicodedata
import zipfile

import pytest

from grader.collect import collect, origins, table
from grader.lms_names import origin

from ..conftest import LESSON

NOTEBOOK = '{"cells": [{"id": "preference_accuracy"}]}'


@pytest.fixture
def empty_course(course, tmp_path):
    """A copy of the course, and a function that makes a zip file of (name, content) pairs and collects it."""
    folder = tmp_path / "course"
    shutil.copytree(course, folder)

    def add(*pairs, name="download.zip"):
        file = tmp_path / name
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry, content in pairs:
                archive.writestr(entry, content)
        return collect(folder, LESSON, [file])

    return folder, add


def submitted(course):
    return {
        path.parent.parent.name: path.read_text()
        for path in (course / "submitted").glob(f"*/{LESSON}/{LESSON}.ipynb")
    }


def why(rows, file):
    (row,) = [row for row in rows if row.file == file]
    return row.why


@pytest.mark.parametrize(
    "path, lms, student, late, file",
    [
        (f"doejane_123_456_{LESSON}.ipynb", "Canvas", "doejane_123", False, f"{LESSON}.ipynb"),
        (f"doejane_LATE_123_456_{LESSON}-2.ipynb", "Canvas", "doejane_123", True, f"{LESSON}-2.ipynb"),
        (f"LATE_anon_aB3_456_{LESSON}.ipynb", "Canvas", "anon_aB3", True, f"{LESSON}.ipynb"),
        (f"submissions/doejane_123_456_{LESSON}.ipynb", "Canvas", "doejane_123", False, f"{LESSON}.ipynb"),
        ("Jane Doe_99_assignsubmission_file/a b.ipynb", "Moodle", "Jane Doe_99", False, "a b.ipynb"),
        ("Jane Doe_99_assignsubmission_file_/a.ipynb", "Moodle", "Jane Doe_99", False, "a.ipynb"),
        ("Jane Doe_99_assignsubmission_file_a_b.ipynb", "Moodle", "Jane Doe_99", False, "a_b.ipynb"),
        ("Participant_7_assignsubmission_file_/a.ipynb", "Moodle", "Participant_7", False, "a.ipynb"),
        ("Lesson 1_jdoe_attempt_2026-03-01-23-59-59_a.ipynb", "Blackboard", "jdoe", False, "a.ipynb"),
        ("Lesson 1_jdoe_attempt_2026-03-01-23-59-59.txt", "Blackboard", "jdoe", False, "receipt.txt"),
        ("13394-80551 - Jane Doe - Mar 9, 2018 105 PM - b - a.ipynb", "Brightspace", "Jane Doe_13394", False, "b - a.ipynb"),
        ("13394-80551 - Jane Doe - Mar 29, 2018 905 AM/a.ipynb", "Brightspace", "Jane Doe_13394", False, "a.ipynb"),
        ("Abgaben/Doe_Jane_jdoe_1234/a.ipynb", "ILIAS", "jdoe_1234", False, "a.ipynb"),
        ("Doe_Jane_j.doe_1234/Late Submission - a.ipynb", "ILIAS", "j.doe_1234", True, "a.ipynb"),
    ],
)  # fmt: skip
def test_the_forms_that_the_systems_document_are_read(path, lms, student, late, file):
    found = origin(path)
    assert (found.lms, found.student, found.late, found.file) == (lms, student, late, file)


def test_brightspace_and_blackboard_say_when(empty_course):
    course, add = empty_course
    add(
        ("1-2 - Jane Doe - Mar 29, 2018 1205 PM/a.ipynb", NOTEBOOK),
        ("L1_jdoe_attempt_2026-03-01-23-59-59_a.ipynb", NOTEBOOK),
    )
    times = {p.parent.parent.name: p.read_text()[:19] for p in course.glob("submitted/*/*/timestamp.txt")}
    assert times == {"Jane Doe_1": "2018-03-29T12:05:00", "jdoe": "2026-03-01T23:59:59"}


def test_namesakes_stay_apart_and_ids_differ_on_every_file_system(empty_course):
    course, add = empty_course
    add(
        ("Jane Doe_1_assignsubmission_file/a.ipynb", "one " + NOTEBOOK),
        ("Jane Doe_2_assignsubmission_file/a.ipynb", "two " + NOTEBOOK),
        ("L_jdoe_attempt_2026-03-01-23-59-59_a.ipynb", "three " + NOTEBOOK),
        ("L_JDoe_attempt_2026-03-01-23-59-59_a.ipynb", "four " + NOTEBOOK),
    )
    found = submitted(course)
    assert [found[s][:3] for s in ("Jane Doe_1", "Jane Doe_2")] == ["one", "two"]
    assert len({student.casefold() for student in found}) == 4


def test_of_several_files_the_lessons_newest_is_taken_and_the_others_are_named(empty_course):
    course, add = empty_course
    rows = add(
        (f"ada_1_20_{LESSON}-1.ipynb", "new " + NOTEBOOK),
        (f"ada_1_3_{LESSON}.ipynb", "old " + NOTEBOOK),
        ("ada_1_30_scratch.ipynb", "{}"),
        ("ada_1_31_essay.docx", "x"),
        ("L_ben_attempt_2026-03-01-10-00-00_a.ipynb", "first " + NOTEBOOK),
        ("L_ben_attempt_2026-03-02-10-00-00_a.ipynb", "second " + NOTEBOOK),
        ("Cy_5_assignsubmission_file/02_preference_statistics.ipynb", "two " + NOTEBOOK),
        ("Cy_5_assignsubmission_file/mine.ipynb", "mine " + NOTEBOOK),
    )
    assert {s: t.split()[0] for s, t in submitted(course).items()} == {
        "ada_1": "new",
        "ben": "second",
        "Cy_5": "mine",
    }
    assert "earlier upload" in why(rows, f"{LESSON}.ipynb")
    assert "no notebook and no picture" in why(rows, "essay.docx")
    assert "02_preference_statistics.ipynb" in {row.file for row in rows if not row.taken}
    assert sum(row.student == "ben" for row in rows) == 2


def test_a_file_that_came_again_replaces_the_first(empty_course):
    course, add = empty_course
    add((f"ada_1_3_{LESSON}.ipynb", "old " + NOTEBOOK))
    add((f"ada_LATE_1_9_{LESSON}-1.ipynb", "new " + NOTEBOOK))
    assert submitted(course) == {"ada_1": "new " + NOTEBOOK}
    assert origins(course, LESSON)["ada_1"]["prefix"] == "ada_LATE_1_9_"


def test_what_a_mac_adds_is_passed_over_and_its_names_are_one_with_others(empty_course):
    course, add = empty_course
    apart = unicodedata.normalize("NFD", "Chloé Müller_9_assignsubmission_file")
    rows = add(
        (f"{apart}/{LESSON}.ipynb", NOTEBOOK),
        (f"__MACOSX/{apart}/._{LESSON}.ipynb", "junk"),
        ("__MACOSX/._ada_1_2_x.ipynb", "junk"),
        (".DS_Store", "junk"),
    )
    assert list(submitted(course)) == ["Chloé Müller_9"] and len(rows) == 1


@pytest.mark.parametrize("code", ["cp437", "cp1252", "utf-8"])
def test_names_in_the_code_pages_of_windows_and_with_backslashes_are_read(empty_course, code):
    course, add = empty_course
    rows = add(("Jorg X_9_assignsubmission_file/a.ipynb", NOTEBOOK), name="plain.zip")
    path = course.parent / "old.zip"
    raw = "Jörg Ü_8_assignsubmission_file\\sub\\é.ipynb".encode(code)
    filler = "a" * len(raw)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(filler, NOTEBOOK)
    path.write_bytes(buffer.getvalue().replace(filler.encode(), raw))
    rows = collect(course, LESSON, [path])
    assert [(row.student, row.file, row.taken) for row in rows] == [("Jörg Ü_8", "sub/é.ipynb", True)]


def test_a_zip_of_the_students_own_is_opened_once_and_pictures_come_along(empty_course):
    course, add = empty_course
    inner, bomb = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("x.ipynb", NOTEBOOK)
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr(f"work/{LESSON}.ipynb", NOTEBOOK)
        archive.writestr("work/drawing.png", b"png")
        archive.writestr("again.zip", bomb.getvalue())
    rows = add(("Ada_1_assignsubmission_file/work.zip", inner.getvalue()))
    assert list(submitted(course)) == ["Ada_1"]
    assert "zip file within a zip file" in why(rows, "again.zip")


def test_a_hostile_zip_writes_nothing_outside_and_fills_no_disk(empty_course):
    course, add = empty_course
    link = zipfile.ZipInfo(f"eve_1_2_{LESSON}.ipynb")
    link.external_attr = 0o120777 << 16
    before = {path for path in course.parent.rglob("*") if course not in path.parents}
    rows = add(
        (f"../../../../evil_1_2_{LESSON}.ipynb", "outside"),
        (f"/tmp/evil_1_2_{LESSON}.ipynb", "absolute"),
        (f"C:\\evil_1_2_{LESSON}.ipynb", "drive"),
        (link, "/etc/passwd"),
        (f"mallory_1_2_{LESSON}.ipynb", b"\0" * (60 * 2**20)),
        ("a\x1b[2J_3_assignsubmission_file/a.ipynb", NOTEBOOK),
        ("<img src=x>_4_assignsubmission_file/a.ipynb", NOTEBOOK),
        ("gradebook.db", "mine now"),
        (f"ada_1_2_{LESSON}.ipynb", "fine"),
    )
    after = {path for path in course.parent.rglob("*") if course not in path.parents}
    assert {path.name for path in after - before} == {"download.zip"}
    assert "ada_1" in submitted(course) and not any(set("<\x1b") & set(s) for s in submitted(course))
    said = table(rows)
    for reason in ("leads out of the folder", "a link or a device", "more than 50 MB", "says no student"):
        assert reason in said
    assert "\x1b" not in said


def test_a_damaged_zip_is_named_and_the_rest_goes_on(empty_course):
    course, add = empty_course
    broken = course.parent / "broken.zip"
    broken.write_bytes(b"PK\x03\x04 no zip file")
    rows = collect(course, LESSON, [broken])
    assert "no zip file" in why(rows, "broken.zip")


def test_the_table_is_kept_as_csv_in_which_nothing_is_a_formula(empty_course):
    course, add = empty_course
    add(("=cmd()_1_assignsubmission_file/a.ipynb", NOTEBOOK), ("@x.ipynb", NOTEBOOK))
    with (course / ".reward-lab" / "collected" / f"{LESSON}.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["student", "name", "lms", "file", "taken", "why"] and len(rows) == 3
    assert not any(cell.startswith(("=", "@", "+", "-")) for row in rows for cell in row)


@pytest.mark.slow  # 4 s: nbgrader starts
def test_nbgraders_zip_collect_takes_the_same(empty_course):
    course, _ = empty_course
    archive = course / "downloaded" / LESSON / "archive"
    archive.mkdir(parents=True)
    with zipfile.ZipFile(archive / "submissions.zip", "w") as file:
        for name in (
            "Participant_7_assignsubmission_file_/a.ipynb",
            "Participant_8_assignsubmission_file_/b.ipynb",
        ):
            file.writestr(name, NOTEBOOK)
        file.writestr("__MACOSX/Participant_7_assignsubmission_file_/._a.ipynb", "junk")
        file.writestr("Participant_7_assignsubmission_file_/drawing.png", "png")
        file.writestr("Participant_9_assignsubmission_file_/essay.docx", "x")
    command = [sys.executable, "-m", "nbgrader", "zip_collect", LESSON, "--force"]
    run = subprocess.run(command, cwd=course, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert set(submitted(course)) == {"Participant_7", "Participant_8"}
    assert (course / "submitted" / "Participant_7" / LESSON / "drawing.png").exists()
    assert "NOT TAKEN  Participant_9: essay.docx" in run.stderr
