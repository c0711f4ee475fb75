"""zip_collect takes notebooks out of an LMS's zip file, and nothing else."""

import shutil
import subprocess
import sys
import zipfile

import pytest

from ..conftest import LESSON


@pytest.fixture
def course_with_archive(course, tmp_path):
    """A copy of the course, and a function that writes a zip file into its archive folder."""
    folder = tmp_path / "course"
    shutil.copytree(course, folder)
    archive = folder / "downloaded" / LESSON / "archive"
    archive.mkdir(parents=True)

    def add(**entries):
        with zipfile.ZipFile(archive / "submissions.zip", "a", zipfile.ZIP_DEFLATED) as file:
            for name, content in entries.pop("named", {}).items():
                file.writestr(name, content)

    return folder, add


def collect(course):
    command = [sys.executable, "-m", "nbgrader", "zip_collect", LESSON, "--force"]
    return subprocess.run(command, cwd=course, capture_output=True, text=True)


def test_the_names_that_canvas_and_moodle_give_become_students(course_with_archive):
    course, add = course_with_archive
    add(named={
        f"ada_123_456_{LESSON}.ipynb": "canvas",
        f"ben_LATE_123_457_{LESSON}-2.ipynb": "late",
        f"Chloé Müller_99_assignsubmission_file/{LESSON}.ipynb": "moodle",
    })  # fmt: skip
    run = collect(course)
    assert run.returncode == 0, run.stderr
    found = {
        path.parent.parent.name: path.read_text()
        for path in (course / "submitted").glob(f"*/{LESSON}/{LESSON}.ipynb")
    }
    assert found == {"ada": "canvas", "ben": "late", "Chloé Müller": "moodle"}


def test_a_hostile_zip_writes_nothing_outside_its_folder_and_fills_no_disk(course_with_archive):
    course, add = course_with_archive
    link = zipfile.ZipInfo(f"eve_1_2_{LESSON}.ipynb")
    link.external_attr = 0o120777 << 16
    add(named={
        f"../../../../evil_1_2_{LESSON}.ipynb": "outside",
        f"/tmp/evil_1_2_{LESSON}.ipynb": "absolute",
        link: "/etc/passwd",
        f"mallory_1_2_{LESSON}.ipynb": b"\0" * (60 * 2**20),
        "sub.zip": "PK",
        "gradebook.db": "mine now",
        f"ada_1_2_{LESSON}.ipynb": "fine",
    })  # fmt: skip
    before = {
        path for path in course.parent.rglob("*") if "course" not in path.relative_to(course.parent).parts
    }
    run = collect(course)
    after = {
        path for path in course.parent.rglob("*") if "course" not in path.relative_to(course.parent).parts
    }
    assert after == before
    assert [path.name for path in (course / "submitted").iterdir()] == ["ada"]
    for reason in ("leads out of the folder", "a link or a device", "more than 50 MB", "no notebook"):
        assert reason in run.stderr


def test_a_damaged_zip_is_named_and_the_rest_goes_on(course_with_archive):
    course, add = course_with_archive
    add(named={f"ada_1_2_{LESSON}.ipynb": "fine"})
    (course / "downloaded" / LESSON / "archive" / "broken.zip").write_bytes(b"PK\x03\x04 no zip file")
    run = collect(course)
    assert "broken.zip" in run.stderr
    assert [path.name for path in (course / "submitted").iterdir()] == ["ada"]
