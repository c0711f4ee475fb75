"""Whatever lies under submitted/: one student's folder never ends the class, and nothing that they wrote runs on a page."""

import base64
import json
import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import nbformat
import pytest

from grader import pages
from grader.demo_class import correct, fill
from grader.grading import grade_class, write_missing_feedback
from grader.host import sandbox_problem
from grader.intake import take_in
from grader.settings import Settings
from grader.submitted import handed_in_at, printable, submission_problem, submitted_file

from ..conftest import LESSON

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "[press](javascript:alert(1))",
    "[press](JaVa&#x09;Script:alert(1))",
    '<a href="data:text/html,<script>alert(1)</script>">press</a>',
    "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
    '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    "<form action=https://example.org><button formaction=javascript:alert(1)>x</button></form>",
    "<style>body{background:url(javascript:alert(1))}</style>",
    '<p style="background:url(javascript:alert(1))">x</p>',
    '<meta http-equiv="refresh" content="0;url=javascript:alert(1)">',
    "<object data=javascript:alert(1)></object><embed src=javascript:alert(1)>",
    "<math><mtext></p><style><img src=x onerror=alert(1)></style></mtext></math>",
    "<div class='full-credit btn btn-success'>press</div>",
    "$x$<b onmouseover=alert(1)>b</b>$y$",
    "`<script>alert(1)</script>`",
    "```html\n<script>alert(1)</script>\n```",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "# title <script>alert(1)</script>",
]


class Dangers(HTMLParser):
    """Collects whatever in a page runs, loads a frame, or looks like Formgrader's own."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        if tag in (
            "script",
            "iframe",
            "object",
            "embed",
            "svg",
            "form",
            "button",
            "style",
            "meta",
            "base",
            "link",
        ):
            self.found.append(tag)
        for name, value in attributes:
            address = "".join((value or "").split()).lower()
            bad = name.startswith("on") or name in ("srcdoc", "formaction") or "javascript:" in address
            bad |= address.startswith("data:") and not address.startswith("data:image/png;base64,")
            bad |= name == "class" and "btn" in address
            if bad:
                self.found.append((tag, name, value))


def dangers(page: str) -> list:
    parser = Dangers()
    parser.feed(page)
    return parser.found


def rendered(source, **cell):
    return pages.markdown({"cell": cell}, source)


@pytest.mark.parametrize("source", HOSTILE)
def test_nothing_that_a_student_wrote_runs_on_a_page(source):
    assert dangers(rendered(source)) == []


def test_the_words_formulas_tables_and_pasted_pictures_stay():
    source = (
        "# T\n\n$a < b$ & **bold** `x < 1`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n![p](attachment:p.png)\n\n"
    )
    source += "$$x_1 \\& y_2$$"
    page = rendered(source, attachments={"p.png": {"image/png": base64.b64encode(DOT).decode()}})
    for part in (
        "<h1",
        "$a &lt; b$",
        "<strong>bold</strong>",
        "<code>x &lt; 1</code>",
        "<td",
        "x_1 \\&amp; y_2",
    ):
        assert part in page, part
    assert 'src="data:image/png;base64,' in page


def test_a_script_is_shown_to_the_marker_as_text():
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in rendered("see <script>alert(1)</script>")


def test_a_picture_beside_the_notebook_becomes_part_of_the_text(pristine, right_answers, tmp_path):
    answer = 'As drawn: ![d](drawing%201.png) and <img src="b.PNG" width=3> and ![o](../o.png) ![n](none.png)'
    file = tmp_path / f"{LESSON}.ipynb"
    file.write_text(nbformat.writes(fill(pristine, {**right_answers, "reflect_noise": answer})))
    for name in ("drawing 1.png", "b.PNG"):
        (tmp_path / name).write_bytes(DOT)
    (tmp_path.parent / "o.png").write_bytes(DOT)
    notebook = take_in(file, {LESSON: pristine}, LESSON).notebook
    (cell,) = [cell for cell in notebook.cells if cell.id == "reflect_noise"]
    assert set(cell.attachments) == {"drawing 1.png", "b.PNG"}
    assert cell.source.count("attachment:") == 2 and "../o.png" in cell.source
    page = rendered(cell.source, attachments=cell.attachments)
    assert page.count("data:image/png;base64,") == 2 and dangers(page) == []


def test_locks_links_pipes_and_folders_are_no_notebooks(tmp_path):
    folder = tmp_path / "ada" / LESSON
    folder.mkdir(parents=True)
    (folder / f".#{LESSON}.ipynb").symlink_to("ada@host.123")
    (folder / "loop.ipynb").symlink_to("loop.ipynb")
    (folder / "folder.ipynb").mkdir()
    os.mkfifo(folder / "pipe.ipynb")
    (folder / "answers.ipynb").symlink_to("/etc/passwd")
    assert submitted_file(folder, LESSON) == folder / f"{LESSON}.ipynb"  # where it would be
    (folder / "Copy of mine.ipynb").write_text("{}")
    assert submitted_file(folder, LESSON).name == "Copy of mine.ipynb"
    assert submission_problem(submitted_file(folder, LESSON)) is None


def test_a_link_to_another_submission_is_named(tmp_path):
    (tmp_path / "ada" / LESSON).mkdir(parents=True)
    (tmp_path / "eve").symlink_to("ada")
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob" / LESSON).symlink_to(tmp_path / "ada" / LESSON)
    for student in ("eve", "bob"):
        assert "is a link" in submission_problem(tmp_path / student / LESSON / f"{LESSON}.ipynb")


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2Jb", "<img src=x onerror=alert(1)>", 'a"b', "a\x9bb"])
def test_a_name_that_steers_a_terminal_or_a_page_is_refused_in_plain_letters(name, tmp_path):
    problem = submission_problem(tmp_path / name / LESSON / f"{LESSON}.ipynb")
    assert "Rename the folder" in problem and problem == printable(problem)
    assert printable(name).isprintable()


@pytest.mark.parametrize("text", ["soon", "", "2026-13-45", "9" * 400, "\x00"])
def test_a_timestamp_that_is_no_date_is_none(text, tmp_path):
    (tmp_path / "timestamp.txt").write_text(text)
    assert handed_in_at(tmp_path) is None


NEEDS_SANDBOX = pytest.mark.skipif(sandbox_problem() is not None, reason="no sandbox")


@pytest.fixture(scope="module")
def odd_class(course, pristine, right_answers, tmp_path_factory):
    """A class in which every second folder holds something odd; the notebooks are right."""
    folder = tmp_path_factory.mktemp("odd") / "course"
    shutil.copytree(course, folder)
    script = {**right_answers, "reflect_noise": "My drawing ![d](drawing.png) " + " ".join(HOSTILE[:6])}
    right, told = correct(pristine, right_answers), nbformat.writes(fill(pristine, script))

    def hand_in(student, name=f"{LESSON}.ipynb", content=right):
        path = folder / "submitted" / student / LESSON / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8"))
        return path.parent

    hand_in("copy", f"Copy of {LESSON}.ipynb")
    hand_in("bom", content="\ufeff" + right)
    (hand_in("time") / "timestamp.txt").write_text("yesterday evening")
    (hand_in("lock") / f".#{LESSON}.ipynb").symlink_to("me@host.1")
    (hand_in("script", content=told) / "drawing.png").write_bytes(DOT)
    (folder / "submitted" / "folder" / LESSON / f"{LESSON}.ipynb").mkdir(parents=True)
    loop = folder / "submitted" / "loop" / LESSON
    loop.mkdir(parents=True)
    (loop / f"{LESSON}.ipynb").symlink_to(f"{LESSON}.ipynb")
    return folder


FULL = {"copy": 10.0, "bom": 10.0, "time": 10.0, "lock": 10.0, "script": 10.0}


@NEEDS_SANDBOX
@pytest.mark.slow  # 14 s: seven submissions, five pages
def test_odd_folders_are_named_and_the_class_gets_its_grades_and_pages(odd_class, tmp_path):
    course = tmp_path / "course"
    shutil.copytree(odd_class, course, symlinks=True)
    verdicts = {student: verdict for student, verdict, _ in grade_class(course, LESSON, Settings(workers=2))}
    assert {s: v.score for s, v in verdicts.items() if v.status == "graded"} == FULL
    assert {s for s, v in verdicts.items() if v.status == "refused"} == {"folder", "loop"}
    assert any("timestamp.txt holds no date" in note for note in verdicts["time"].notes)
    assert {s: p for s, p in write_missing_feedback(course, LESSON, 2)} == dict.fromkeys(FULL)
    page = (course / "feedback" / "script" / LESSON / f"{LESSON}.html").read_text(encoding="utf-8")
    own = page[page.index("My drawing") :][:6000]
    assert "data:image/png;base64," in own and dangers(own.split("nbgrader_cell")[0]) == []
    saved = (course / "autograded" / "script" / LESSON / f"{LESSON}.ipynb").read_text(encoding="utf-8")
    assert "drawing.png" in json.dumps(
        [c.get("attachments", {}) for c in nbformat.reads(saved, as_version=4).cells]
    )


@NEEDS_SANDBOX
@pytest.mark.slow  # 17 s: nbgrader starts, seven submissions
def test_stock_nbgrader_gives_the_same_grades_on_odd_folders(odd_class, tmp_path):
    course = tmp_path / "course"
    shutil.copytree(odd_class, course, symlinks=True)
    command = [sys.executable, "-m", "nbgrader", "autograde", LESSON]
    run = subprocess.run(command, cwd=course, capture_output=True, text=True)
    from .test_grading import marks

    assert {s: score for s, score in marks(course).items() if s in FULL} == FULL, run.stderr[-3000:]
    assert "holds no date" in run.stderr
    assert all((course / "autograded" / student / LESSON).is_dir() for student in FULL)
