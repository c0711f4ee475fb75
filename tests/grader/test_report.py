"""The class report counts rightly, names nobody, and nothing that a student wrote runs in it."""

import copy
import re
import shutil
from html.parser import HTMLParser

import nbformat
import pytest
from nbgrader.api import Gradebook

from grader.__main__ import main
from grader.demo_class import fill
from grader.project import own_project
from grader.records import Case, record_of, sources_digest, write_record
from grader.report import NO_NAME, report_on
from grader.report_answers import normalised, ways_of
from grader.report_page import page
from grader.report_words import NO_EVIDENCE, Words, lines
from grader.submitted import content_digest
from grader.verdict import CheckVerdict, Verdict

from ..conftest import LESSON

SCRIPT = "<script>alert('hostile')</script>"
CHECK = "check_preference_accuracy"
TIE = "This counts a tie as correct: compare with `>`, not `>=`."
STUDENTS = ("ada jones", "ben jones", "chen jones", f"dora {SCRIPT}".replace("/", ""))
WAYS = {  # the first two are alike but for what their authors chose
    "ada jones": "def preference_accuracy(reward_preferred, reward_rejected):\n"
    f'    """By ada jones {SCRIPT}"""\n    ada = reward_preferred > reward_rejected\n    return ada.float().mean()\n',
    "ben jones": "def preference_accuracy(reward_preferred: list, reward_rejected):  # by ben\n"
    "    won: bool = reward_preferred > reward_rejected\n    return won.float().mean()\n",
    "chen jones": "def preference_accuracy(reward_preferred, reward_rejected):\n    return 'chen jones'\n",
}


def kept(course, student, score, cases, problem=None, seconds=2.0):
    file = course / "submitted" / student / LESSON / f"{LESSON}.ipynb"
    status = "refused" if problem else "graded"
    checks = [] if problem else [CheckVerdict(CHECK, score, 2.0, SCRIPT)]
    verdict = Verdict(
        str(file), LESSON, status, None if problem else score, 10.0, 6.0, problem, [SCRIPT], checks
    )
    sources = sources_digest(course, LESSON, own_project())
    record = record_of(course, LESSON, student)
    write_record(
        record, "k", verdict, content_digest(file), sources, {CHECK: cases} if cases else {}, seconds
    )


@pytest.fixture(scope="module")
def graded(course, pristine, tmp_path_factory):
    """Two who solved it, one who wrote nothing and one who is refused: made by hand, so that every count is known."""
    folder = tmp_path_factory.mktemp("report") / "course"
    shutil.copytree(course, folder)
    passed = Case("random rewards", 1.0, 1.0, True, False, "")
    for student in STUDENTS:
        file = folder / "submitted" / student / LESSON / f"{LESSON}.ipynb"
        file.parent.mkdir(parents=True)
        file.write_text(nbformat.writes(pristine))
        if student in WAYS:
            own = folder / "autograded" / student / LESSON / f"{LESSON}.ipynb"
            own.parent.mkdir(parents=True)
            own.write_text(nbformat.writes(fill(pristine, {"preference_accuracy": WAYS[student]})))
    ada, ben, chen, dora = STUDENTS
    kept(folder, ada, 2.0, [passed, Case("ties", 1.0, 1.0, True, False, "")])
    kept(folder, ben, 1.0, [passed, Case("ties", 0.0, 1.0, False, False, TIE)], seconds=4.0)
    unsolved = [
        Case(name, 0.0, 1.0, False, name == "random rewards", "") for name in ("random rewards", "ties")
    ]
    kept(folder, chen, 0.0, unsolved)
    kept(folder, dora, None, None, f"The folder's name {ascii(dora)} can't stand.")
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}", "reward-lab") as gradebook:
        for student in (ada, ben, chen):
            gradebook.update_or_create_student(student)
            (notebook,) = gradebook.update_or_create_submission(LESSON, student).notebooks
            for grade in notebook.grades:
                grade.needs_manual_grade = grade.name == "reflect_noise" and student == ada
                if grade.name == "reflect_noise" and student == ben:
                    grade.manual_score = 1.5
                if grade.name == "reflect_noise" and student == chen:
                    grade.auto_score = 0.0
        gradebook.db.commit()
    return folder


@pytest.fixture(scope="module")
def report(graded, pristine):
    return report_on(graded, LESSON, pristine)


def test_cases_mistakes_marks_and_what_waits_are_counted(report):
    assert (report.handed_in, sorted(report.scores), report.max_score) == (4, [0.0, 1.0, 2.0], 10.0)
    exercise = report.exercises[0]
    assert (exercise.name, exercise.graded, exercise.full) == ("preference_accuracy", 3, 1)
    counts = {case.title: (case.solved, case.not_written, case.wrong) for case in exercise.cases}
    assert counts == {"random rewards": (2, 1, 0), "ties": (1, 0, 2)}
    assert exercise.mistakes == [(TIE, 1), (NO_NAME, 1)]
    assert sorted(report.seconds) == [2.0, 2.0, 4.0]
    question = report.by_hand[0]
    assert (question.name, question.waiting, question.empty, question.marks) == (
        "reflect_noise", ["ada jones"], 1, [1.5],
    )  # fmt: skip
    assert [(e.name, case.title) for e, case in report.to_teach_again()] == [("preference_accuracy", "ties")]
    assert report.stale == {} and report.without_cases == 0


def test_a_mistake_that_quotes_what_came_out_is_one_mistake(graded, pristine, tmp_path):
    course = tmp_path / "course"
    shutil.copytree(graded, course)
    for student, wins in (("ada jones", "1.52"), ("ben jones", "12.1")):
        kept(course, student, 0.0, [Case("ties", 0.0, 1.0, False, False, f"The home side has {wins} wins.")])
    names = dict(report_on(course, LESSON, pristine).exercises[0].mistakes)
    assert names["The home side has 1.52 wins."] == 2


def test_a_submission_that_changed_is_out_of_date(graded, pristine, tmp_path):
    course = tmp_path / "course"
    shutil.copytree(graded, course)
    file = course / "submitted" / "ada jones" / LESSON / f"{LESSON}.ipynb"
    file.write_text(file.read_text() + "\n")
    assert list(report_on(course, LESSON, pristine).stale.values()) == [["ada jones"]]


def test_answers_that_differ_in_names_types_and_comments_are_one_way_and_a_single_answer_is_not_shown(report):
    (way,) = report.exercises[0].ways
    assert (way.students, way.full) == (2, 1)
    assert way.code == (
        "def preference_accuracy(reward_preferred, reward_rejected):\n"
        "    a = reward_preferred > reward_rejected\n    return a.float().mean()"
    )


def test_nothing_of_an_answer_that_only_its_author_would_write_is_kept():
    source = (
        "import numpy as jane1\nclass Pairs:\n    '''jane'''\n    def __init__(self, size):\n        self.jane2 = 'jane'\n"
        "        self.size = size\n    def jane3(self):\n        global jane4\n        try:\n"
        "            jane_helper(f'jane {self.jane2}')\n"
        "        except ValueError as jane5:\n            return jane1.ones(3), b'jane', jane5\n"
    )
    stub = "class Pairs:\n    def __init__(self, size):\n        raise NotImplementedError\n"
    code = normalised(source, "Pairs", frozenset({"size", "Pairs"}), stub)
    assert "jane" not in code and "class Pairs" in code and "self.size = size" in code
    compile(code, "answer", "exec")
    assert normalised("def broken(:", "broken", frozenset(), "") is None
    assert normalised("x = " + "-" * 19_000 + "1", "x", frozenset(), "") is None  # too deep


def test_an_untouched_exercise_is_no_way(graded, pristine, tmp_path):
    file = tmp_path / "autograded" / "ada" / LESSON / f"{LESSON}.ipynb"
    for student in ("ada", "ben"):
        file = tmp_path / "autograded" / student / LESSON / f"{LESSON}.ipynb"
        file.parent.mkdir(parents=True)
        file.write_text(nbformat.writes(pristine))
    names = ["preference_accuracy", "training_step"]
    full = {"ada": set(), "ben": set()}
    assert ways_of(tmp_path, LESSON, pristine, names, full) == {name: [] for name in names}


class Tags(HTMLParser):
    """Collects the tags and attributes that a browser would see."""

    def __init__(self, text):
        super().__init__()
        self.seen, self.attributes = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attributes}


@pytest.mark.parametrize("words", [Words(), Words(names=True), Words(anonymous=True)])
def test_what_a_student_wrote_stands_escaped_and_the_page_loads_nothing(graded, report, words):
    report = copy.deepcopy(report)
    report.refused = {SCRIPT: [SCRIPT]}  # were a reason or a name ever to hold one
    report.exercises[0].mistakes = [(f"`{SCRIPT}`", 1)]
    report.by_hand[0].waiting = ["ada jones", SCRIPT]
    text = page(graded, [report, report], words)
    tags = Tags(text)
    assert not tags.seen & {"script", "iframe", "object", "img", "link", "base", "form"}
    assert not {name for name in tags.attributes if name.startswith("on") or name in ("src", "href")}
    assert "&lt;script&gt;" in text and "default-src 'none'" in text.replace("&#39;", "'")
    assert not re.search(r"https?://(?!www\.w3\.org)", text)


@pytest.mark.parametrize("options", [[], ["--anonymous"]])
def test_nothing_identifies_a_student_unless_asked(graded, tmp_path, capsys, options):
    assert main(["report", str(graded), LESSON, "--html", str(tmp_path / "r.html"), *options]) == 0
    for text in (capsys.readouterr().out, (tmp_path / "r.html").read_text(encoding="utf-8")):
        assert "jones" not in text and "dora" not in text and "alert" not in text
        assert "preference_accuracy" in text and "counts a tie as correct" in text


def test_names_are_listed_when_asked_for_and_code_is_shown_with_the_warning(graded, tmp_path, capsys):
    assert main(["report", str(graded), "--names", "--html", str(tmp_path / "r.html")]) == 0
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "(ada jones)" in text and "(ada jones)" in capsys.readouterr().out
    assert "a.float().mean()" in text and NO_EVIDENCE.split(".")[0] in text


def test_an_anonymous_report_tells_shares_in_steps_and_no_code(report, graded):
    words = Words(anonymous=True)
    assert (words.of(1, 100), words.of(13, 100), words.of(0, 9)) == ("under 5 %", "about 15 %", "about 0 %")
    text = page(graded, [report], words) + "\n".join(lines(report, words))
    assert "a.float().mean()" not in text and graded.name not in re.sub(
        r"<style>.*</style>", "", text, flags=re.S
    )
    assert not re.search(r"\b\d+ of (3|4)\b", text)


def test_errors_say_what_to_do(graded, course, tmp_path, capsys):
    assert main(["report", str(graded), "99_nothing"]) == 1
    assert LESSON in capsys.readouterr().err
    shutil.copytree(course, tmp_path / "empty")
    assert main(["report", str(tmp_path / "empty")]) == 1
    assert "submitted/<student>" in capsys.readouterr().err
