"""Every attack comes to what it must, beside neighbours that it must not touch."""

import json
import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from grader.demo_class import correct
from grader.grading import grade_class
from grader.host import sandbox_problem
from grader.settings import Settings

from ..conftest import LESSON
from .attacks import ATTACKS, HONEST, LEFTOVERS
from .processes import left_running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sandbox_problem() is not None, reason=f"no sandbox: {sandbox_problem()}"),
]
NEIGHBOURS = ("aaa-first", "mmm-middle", "zzz-last")
SECRET = "the instructor's"


@pytest.fixture(scope="module")
def class_under_attack(course, pristine, right_answers, tmp_path_factory) -> Path:
    """A course whose class is all attackers, but for three honest neighbours, graded in one run."""
    folder = tmp_path_factory.mktemp("attacked") / "course"
    shutil.copytree(course, folder)
    files = {name: attack.make(pristine, right_answers) for name, attack in ATTACKS.items()}
    files |= {name: correct(pristine, right_answers).encode() for name in NEIGHBOURS}
    for student, content in files.items():
        file = folder / "submitted" / student / LESSON / f"{LESSON}.ipynb"
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    for _ in grade_class(folder, LESSON, Settings(SECRET, timeout=12, workers=os.cpu_count() or 1)):
        pass
    return folder


@pytest.fixture(scope="module")
def verdicts(class_under_attack) -> dict[str, dict]:
    records = (class_under_attack / ".reward-lab" / "verdicts" / LESSON).glob("*.json")
    return {path.stem: json.loads(json.loads(path.read_text())["verdict"]) for path in records}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_comes_to_what_it_must(name, verdicts):
    attack, verdict = ATTACKS[name], verdicts[name]
    given = {check["grade_id"]: check["score"] for check in verdict["checks"]}
    if attack.scores is None:
        assert verdict["status"] == "refused" and verdict["score"] is None
    else:
        assert given == attack.scores, json.dumps(verdict, indent=1)
    for text in attack.says:
        assert text in json.dumps(verdict, ensure_ascii=False)


def test_honest_neighbours_keep_their_marks(verdicts):
    for name in NEIGHBOURS:
        assert {check["grade_id"]: check["score"] for check in verdicts[name]["checks"]} == HONEST


def test_the_gradebook_holds_what_the_verdicts_say_and_nothing_else(class_under_attack, verdicts):
    with Gradebook(f"sqlite:///{class_under_attack / 'gradebook.db'}", "reward-lab") as gradebook:
        for submission in gradebook.assignment_submissions(LESSON):
            name = submission.student.id
            assert submission.score == verdicts[name]["score"]
            assert all(grade.manual_score is None for grade in submission.notebooks[0].grades)
        assert {s.student.id for s in gradebook.assignment_submissions(LESSON)} == {
            name for name, verdict in verdicts.items() if verdict["status"] == "graded"
        }


def test_nothing_was_written_or_left_running_on_this_machine(class_under_attack):
    for path in LEFTOVERS:
        assert not Path(path).exists()
    assert not left_running("grader.worker")


def test_hidden_inputs_reach_neither_feedback_nor_verdict(class_under_attack, verdicts):
    hidden = set()
    fixed = (0.5, 1.0, 1.5, 1.8, 2.0, 3.0, 4.0)  # the example by hand, which every run asks
    from reward_lab.checks.subject import LocalSubject
    from reward_lab.lessons.lesson01 import checks as lesson01

    def note(preferred, rejected):
        hidden.update(f"{number}" for number in preferred.tolist() if round(abs(number), 6) not in fixed)
        return 0.123

    lesson01.preference_accuracy.run(lambda s: LocalSubject(note, "cpu", s), SECRET)
    hidden = {number for number in hidden if len(number) > 8}
    assert len(hidden) > 300
    said = json.dumps(verdicts["hidden_inputs_are_hoarded"])
    notebook = class_under_attack / "autograded" / "hidden_inputs_are_hoarded" / LESSON / f"{LESSON}.ipynb"
    written = nbformat.writes(nbformat.read(notebook, as_version=4))
    assert "SEEN" in said  # it did talk, of the public inputs
    assert not [number for number in hidden if number in said or number in written]


def test_a_crash_costs_its_case_alone(course, pristine, right_answers, tmp_path):
    from grader.grading import grade_files

    from .attacks import answer

    source = (
        "def preference_accuracy(p, r):\n    import os\n    if len(p) == 4:\n        os._exit(0)\n"
        "    return (p > r).float().mean()\n"
    )
    (tmp_path / "a.ipynb").write_bytes(answer(source)(pristine, right_answers))
    (verdict,) = grade_files([tmp_path / "a.ipynb"], Settings("s"))
    assert verdict.checks[0].score == 1.5 and verdict.score == 9.5


def test_without_the_verifier_a_patched_check_would_have_won():
    """The attack works where the check runs beside the student's code: that is what the sandbox is for."""
    from reward_lab.checks import numbers
    from reward_lab.checks.subject import LocalSubject
    from reward_lab.lessons.lesson01 import checks as lesson01

    original = numbers.close
    from reward_lab.lessons.lesson01.checks import accuracy

    expect = accuracy.expect_numbers
    try:
        accuracy.expect_numbers = lambda *a, **k: None
        report = lesson01.preference_accuracy.report(lambda s: LocalSubject(lambda p, r: 0.123, "cpu", s))
        assert report.score == 2.0
    finally:
        numbers.close, accuracy.expect_numbers = original, expect
