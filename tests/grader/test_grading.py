"""A class is graded into nbgrader's gradebook: completely, once, and again only when something changed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import pytest
import torch
from nbgrader.api import Gradebook

from grader.__main__ import main
from grader.build import ROOT
from grader.demo_class import CLASS, fill, submit
from grader.grading import course_seed, grade_class, grade_files, write_missing_feedback
from grader.host import sandbox_problem
from grader.report import report_on
from grader.settings import Settings

from ..conftest import LESSON

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sandbox_problem() is not None, reason=f"no sandbox: {sandbox_problem()}"),
]
EXPECTED = {"ada": 10.0, "ben": 5.0, "chen": 0.0, "dora": 8.5, "emre": 10.0}


@pytest.fixture(scope="module")
def graded(course, pristine, tmp_path_factory) -> Path:
    """A course in which the demo's class was graded, with feedback."""
    folder = tmp_path_factory.mktemp("graded") / "course"
    shutil.copytree(course, folder)
    submit(folder, LESSON, pristine)
    for _ in grade_class(folder, LESSON, Settings(workers=2)):
        pass
    for _ in write_missing_feedback(folder, LESSON, 2):
        pass
    return folder


def marks(course: Path) -> dict[str, float]:
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "reward-lab") as gradebook:
        return {s.student.id: s.score for s in gradebook.assignment_submissions(LESSON)}


def pages(course: Path) -> list[Path]:
    return list((course / "feedback").glob(f"*/{LESSON}/*.html"))


def test_the_gradebook_holds_every_graded_student_and_no_refused_one(graded):
    assert marks(graded) == EXPECTED
    assert sorted(path.name for path in (graded / "autograded").iterdir()) == sorted(EXPECTED)
    assert sorted(path.name for path in (graded / "feedback").iterdir()) == sorted(EXPECTED)


def test_written_answers_wait_for_a_mark_unless_they_are_empty(graded):
    with Gradebook(f"sqlite:///{graded / 'gradebook.db'}", "reward-lab") as gradebook:
        grades = {g.name: g for g in gradebook.find_submission_notebook(LESSON, LESSON, "ben").grades}
        assert grades["reflect_noise"].needs_manual_grade
        assert grades["reflect_ties"].auto_score == 0 and not grades["reflect_ties"].needs_manual_grade
        comments = gradebook.find_submission_notebook(LESSON, LESSON, "ben").comments
        said = {comment.name: comment.auto_comment for comment in comments}
    assert said["reflect_ties"] == "No response." and said["reflect_noise"] is None


def test_graders_and_feedback_see_the_marking_scheme_and_the_student_version_does_not(graded, pristine):
    scheme = "one for each of:"
    assert scheme not in nbformat.writes(pristine)
    for place, name in (("autograded", f"{LESSON}.ipynb"), ("feedback", f"{LESSON}.html")):
        assert scheme in (graded / place / "ada" / LESSON / name).read_text(encoding="utf-8")


def test_feedback_names_the_mistake_and_gives_the_points_of_each_check(graded):
    page = (graded / "feedback" / "dora" / LESSON / f"{LESSON}.html").read_text(encoding="utf-8")
    assert "This counts a tie as correct" in page
    assert "zeroing only after the step" in page
    assert "1.0 / 2.0" in page.replace("Score: ", "") or "1.0/2.0" in page


def test_nothing_personal_is_kept_of_what_colab_saved(graded):
    for place in ("autograded", "feedback"):
        for path in (graded / place / "emre").rglob("*"):
            if path.is_file():
                assert b"Ada Student" not in path.read_bytes() and b"0123456789" not in path.read_bytes()
    state = b"".join(path.read_bytes() for path in (graded / ".reward-lab").rglob("*") if path.is_file())
    assert b"Ada Student" not in state


def test_a_second_run_grades_nothing_and_says_the_same(graded):
    before = (graded / "autograded" / "ada" / LESSON / f"{LESSON}.ipynb").stat().st_mtime_ns
    again = list(grade_class(graded, LESSON, Settings(workers=1)))
    assert not any(fresh for _, _, fresh in again)
    assert {s: v.score for s, v, _ in again if v.status == "graded"} == EXPECTED
    assert (graded / "autograded" / "ada" / LESSON / f"{LESSON}.ipynb").stat().st_mtime_ns == before


def test_a_run_keeps_what_the_class_report_counts(graded, pristine):
    report = report_on(graded, LESSON, pristine)
    assert (report.handed_in, sorted(report.scores)) == (6, sorted(EXPECTED.values()))
    assert ["JSON" in reason for reason in report.refused] == [True] and report.stale == {}
    exercises = {exercise.name: exercise for exercise in report.exercises}
    ties = next(case for case in exercises["preference_accuracy"].cases if "ties" in case.title)
    assert (ties.solved, ties.not_written, ties.wrong) == (3, 1, 1)
    (mistake,) = exercises["preference_accuracy"].mistakes
    assert mistake[0].startswith("This counts a tie as correct") and mistake[1] == 1
    assert any("zeroing only after the step" in name for name, _ in exercises["training_step"].mistakes)
    assert [way.students for way in exercises["SyntheticPreferenceDataset"].ways] == [4]
    waiting = {question.name: question.waiting for question in report.by_hand}
    assert "ben" in waiting["reflect_noise"] and "ben" not in waiting["reflect_ties"]
    assert len(report.seconds) == 5 and all(0 < seconds < 60 for seconds in report.seconds)


@pytest.fixture
def copy_of_graded(graded, tmp_path) -> Path:
    shutil.copytree(graded, tmp_path / "course")
    return tmp_path / "course"


def test_a_changed_file_is_graded_again_alone_and_manual_marks_and_comments_stay(
    copy_of_graded, pristine, right_answers
):
    course = copy_of_graded
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "reward-lab") as gradebook:
        gradebook.find_grade("reflect_noise", LESSON, LESSON, "ben").manual_score = 1.5
        gradebook.find_comment("reflect_noise", LESSON, LESSON, "ben").manual_comment = "Half of it."
        gradebook.db.commit()
    file = course / "submitted" / "ben" / LESSON / f"{LESSON}.ipynb"
    done = ("preference_accuracy", "SyntheticPreferenceDataset", "training_step", "reflect_noise")
    file.write_text(nbformat.writes(fill(pristine, {name: right_answers[name] for name in done})))
    assert [s for s, _, fresh in grade_class(course, LESSON, Settings()) if fresh] == ["ben"]
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "reward-lab") as gradebook:
        assert gradebook.find_grade("reflect_noise", LESSON, LESSON, "ben").manual_score == 1.5
        assert gradebook.find_comment("reflect_noise", LESSON, LESSON, "ben").manual_comment == "Half of it."
        assert gradebook.find_submission(LESSON, "ben").score == 8 + 1.5


def test_a_new_seed_grades_everybody_again(copy_of_graded):
    fresh = [
        s for s, _, fresh in grade_class(copy_of_graded, LESSON, Settings("another", workers=2)) if fresh
    ]
    assert sorted(fresh) == sorted(CLASS)
    assert marks(copy_of_graded) == EXPECTED


def test_the_course_seed_is_made_once_and_readable_by_its_owner_alone(graded):
    assert course_seed(graded) == course_seed(graded)
    assert (graded / ".reward-lab" / "seed").stat().st_mode & 0o077 == 0
    assert len(course_seed(graded)) == 32


def test_a_run_killed_at_any_moment_is_finished_by_the_next(course, pristine, tmp_path):
    folder = tmp_path / "course"
    shutil.copytree(course, folder)
    submit(folder, LESSON, pristine)
    command = [sys.executable, "-m", "grader", "run", str(folder), LESSON, "--seed", "s", "--workers", "2"]
    records = folder / ".reward-lab" / "verdicts" / LESSON
    # Before anything, among the verdicts, when the last was written, among the pages: by what is there, not by the clock.
    for written in (0, 1, 3, len(CLASS), len(CLASS) + 2):
        run = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        while run.poll() is None and len([*records.glob("*.json"), *pages(folder)]) < written:
            time.sleep(0.02)
        time.sleep(0.0 if written else 1.0)
        os.killpg(run.pid, signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL, "it was done before it could be killed"
        with Gradebook(f"sqlite:///{folder / 'gradebook.db'}", "reward-lab") as gradebook:
            students = [s.student.id for s in gradebook.assignment_submissions(LESSON)]
        assert len(students) == len(set(students))
    finished = {path.stem: path.stat().st_mtime_ns for path in records.glob("*.json")}
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert marks(folder) == EXPECTED
    # What had been finished before was not graded again.
    assert all((records / f"{name}.json").stat().st_mtime_ns == when for name, when in finished.items())
    assert sorted(page.parent.parent.name for page in pages(folder)) == sorted(EXPECTED)


def test_verdicts_are_the_same_bytes_with_any_number_of_workers_in_any_order(graded):
    files = sorted((graded / "submitted").glob(f"*/{LESSON}/*.ipynb"))
    one = {v.file: v.to_json() for v in grade_files(files, Settings("s", workers=1))}
    two = {v.file: v.to_json() for v in grade_files(files[::-1], Settings("s", workers=2))}
    assert one == two


def test_verify_prints_one_json_object_for_each_file_and_exits_with_zero(graded, capsys):
    files = [str(graded / "submitted" / student / LESSON / f"{LESSON}.ipynb") for student in ("dora", "fay")]
    assert main(["verify", *files, "missing.ipynb", "--json", "--seed", "s"]) == 0
    verdicts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    keys = {"file", "lesson", "status", "score", "max_score", "manual_max", "problem", "notes", "checks"}
    assert all(set(verdict) == keys for verdict in verdicts)
    dora, fay, missing = verdicts
    assert (dora["status"], dora["score"], dora["max_score"], dora["manual_max"]) == (
        "graded",
        8.5,
        10.0,
        6.0,
    )
    assert {check["grade_id"]: check["score"] for check in dora["checks"]}["check_training_step"] == 2.5
    assert (fay["status"], fay["score"]) == ("refused", None) and "JSON" in fay["problem"]
    assert missing["problem"] == "There is no such file."


def test_a_course_that_is_none_is_an_error_with_the_command_that_makes_one(tmp_path, capsys):
    assert main(["run", str(tmp_path), LESSON]) == 1
    assert "python -m grader.build --course" in capsys.readouterr().err


def test_an_unknown_lesson_and_a_class_without_submissions_are_errors(course, tmp_path, capsys):
    shutil.copytree(course, tmp_path / "course")
    assert main(["run", str(tmp_path / "course"), "99_nothing"]) == 1
    assert LESSON in capsys.readouterr().err
    assert main(["run", str(tmp_path / "course"), LESSON]) == 1
    assert "submitted/<student>" in capsys.readouterr().err


def test_without_bubblewrap_the_grader_refuses_and_names_the_command(graded, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    file = str(graded / "submitted" / "ada" / LESSON / f"{LESSON}.ipynb")
    assert main(["verify", file]) == 1
    said = capsys.readouterr().err
    assert "apt-get install bubblewrap" in said and "--unsafe" in said


def link_or_copy(source, target):
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def test_a_python_that_lies_in_tmp_gets_its_sandbox_too(graded):
    """The sandbox has a /tmp of its own; a checkout, and Python with it, may lie in the real one."""
    file = graded / "submitted" / "ada" / LESSON / f"{LESSON}.ipynb"
    packages = Path(torch.__file__).parent.parent
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        (site,) = Path(folder).glob("lib/python*/site-packages")
        shutil.rmtree(site)
        shutil.copytree(packages, site, copy_function=link_or_copy, symlinks=True)
        command = [f"{folder}/bin/python", "-m", "grader", "verify", str(file), "--seed", "s", "--json"]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["score"] == 10 and json.loads(run.stdout)["notes"] == []


def test_unsafe_grades_in_a_plain_subprocess_and_says_so(graded, capsys):
    file = str(graded / "submitted" / "dora" / LESSON / f"{LESSON}.ipynb")
    assert main(["verify", file, "--unsafe", "--seed", "s", "--json"]) == 0
    captured = capsys.readouterr()
    verdict = json.loads(captured.out)
    assert verdict["score"] == 8.5
    assert any("without a sandbox" in note for note in verdict["notes"])
    assert "without a sandbox" in captured.err


def test_stock_nbgrader_autograde_gives_the_same_grades_by_the_same_path(course, pristine, tmp_path):
    folder = tmp_path / "course"
    shutil.copytree(course, folder)
    submit(folder, LESSON, pristine)
    run = subprocess.run(
        [sys.executable, "-m", "nbgrader", "autograde", LESSON], cwd=folder, capture_output=True, text=True
    )
    assert "fay" in run.stderr  # named; the class went on
    scores = marks(folder)
    scores.pop("fay", None)
    assert scores == EXPECTED
    cells = nbformat.read(folder / "autograded" / "dora" / LESSON / f"{LESSON}.ipynb", as_version=4).cells
    (check,) = [cell for cell in cells if cell.id == "check_preference_accuracy"]
    assert "This counts a tie as correct" in check.outputs[0].text


def test_formgraders_own_button_gives_the_same_grades(course, pristine, tmp_path):
    folder = tmp_path / "course"
    shutil.copytree(course, folder)
    submit(folder, LESSON, pristine)
    # What Formgrader's server does when the button is pressed.
    press = (
        "from nbgrader.apps import NbGrader\nfrom nbgrader.apps.api import NbGraderAPI\n"
        "app = NbGrader()\napp.load_config_file()\n"
        f"done = NbGraderAPI(config=app.config).autograde({LESSON!r}, 'dora')\n"
        "assert done['success'], done\n"
    )
    run = subprocess.run([sys.executable, "-c", press], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert marks(folder) == {"dora": EXPECTED["dora"]}


def test_nbgrader_without_our_config_judges_honest_work_rightly(course, pristine, tmp_path):
    folder = tmp_path / "course"
    shutil.copytree(course, folder)
    (folder / "nbgrader_config.py").write_text(
        'c = get_config()\nc.CourseDirectory.course_id = "reward-lab"\n'
    )
    submit(folder, LESSON, pristine)
    for student in CLASS:
        if student != "dora":
            shutil.rmtree(folder / "submitted" / student)
    file = folder / "submitted" / "dora" / LESSON / f"{LESSON}.ipynb"
    notebook = nbformat.read(file, as_version=4)
    for cell in notebook.cells:
        if "experiment" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("skip-execution")  # they would run for most of a minute
    nbformat.write(notebook, file)
    subprocess.run([sys.executable, "-m", "nbgrader", "autograde", LESSON], cwd=folder, capture_output=True)
    assert marks(folder) == {"dora": 8.5}
