"""Formgrader in a browser: grade by its button, mark by hand, grade again, give feedback; and nothing a student wrote runs.

Needs Chromium and playwright: make browser. CI has neither, and skips it. About a minute.
"""

import re
import shutil
from pathlib import Path

import nbformat
import pytest

from grader.__main__ import main
from grader.database import course_gradebook
from grader.demo_class import correct
from grader.gradebook import write_feedback
from grader.host import sandbox_problem

from ..conftest import LESSON
from ..jupyter_server import ARGUMENTS, CHROMIUM, jupyterlab

playwright = pytest.importorskip(
    "playwright.sync_api", reason="no playwright here: Formgrader is not looked at"
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here"),
    pytest.mark.skipif(sandbox_problem() is not None, reason=f"no sandbox: {sandbox_problem()}"),
]
RUN = "window.ran = (window.ran || 0) + 1"
HOSTILE = [
    f"<script>{RUN}</script>",
    f"<img src=x onerror='{RUN}'>",
    f"<svg onload='{RUN}'></svg>",
    f"[click](javascript:{RUN.replace(' ', '%20')})",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"</textarea></script><script>{RUN}</script>",
    f"<details open ontoggle='{RUN}'>x</details>",
    f"$\\href{{javascript:{RUN}}}{{x}}$",
    f"<style>@import 'javascript:{RUN}'</style>",
]
NAME = "mal <b onmouseover=alert(1)>"
"""A student's folder, which is refused, and told."""


@pytest.fixture(scope="module")
def handed_in(course, pristine, right_answers, tmp_path_factory) -> Path:
    """A course in which one honest and one hostile student have handed in."""
    folder = tmp_path_factory.mktemp("formgrader") / "course"
    shutil.copytree(course, folder)
    for student, hostile in (("ada", False), ("mallory", True), (NAME, False)):
        notebook = nbformat.reads(correct(pristine, right_answers), as_version=4)
        if hostile:
            for cell in notebook.cells:
                if cell.id.startswith("reflect_"):
                    cell.source = "\n\n".join(HOSTILE)
            said = f"raise ValueError({HOSTILE[0]!r} + {HOSTILE[1]!r})"
            notebook.cells.insert(3, nbformat.v4.new_code_cell(f"print({HOSTILE[0]!r})\n{said}"))
            answer = next(cell for cell in notebook.cells if cell.id == "held_out_report")
            answer.source = f"def held_out_report(*a, **k):\n    {said}\n"
            notebook.cells.append(nbformat.v4.new_markdown_cell("\n\n".join(HOSTILE)))
        path = folder / "submitted" / student / LESSON / f"{LESSON}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    return folder


@pytest.fixture(scope="module")
def page(handed_in):
    """A page of a browser that is signed in."""
    with jupyterlab(handed_in) as (address, token), playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(base_url=address, viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(f"/lab?token={token}")
        yield page
        browser.close()


def autograde(page, student: str) -> str:
    """Press the button of a student's row; what the dialogue then says."""
    page.goto(f"/formgrader/manage_submissions/{LESSON}")
    row = page.locator("tr", has=page.locator(f"text={student}")).first
    row.locator(".autograde a").click()
    dialogue = page.locator(".modal-dialog:visible")
    dialogue.locator("text=/Success|Error/").first.wait_for()
    said = dialogue.inner_text()
    dialogue.locator("button", has_text=re.compile("OK|Close")).first.click()
    return said


def points(course: Path, student: str) -> dict[str, tuple[float | None, float | None, bool]]:
    """grade_id -> automatic points, points by hand, whether it is to be looked at."""
    with course_gradebook(course) as gradebook:
        grades = gradebook.find_submission_notebook(LESSON, LESSON, student).grades
        return {g.name: (g.auto_score, g.manual_score, g.needs_manual_grade) for g in grades}


def submission(course: Path, student: str) -> str:
    with course_gradebook(course) as gradebook:
        return gradebook.find_submission_notebook(LESSON, LESSON, student).id


def test_graded_by_the_button_marked_by_hand_and_graded_again(page, handed_in):
    course = handed_in
    assert "Success" in autograde(page, "ada")
    given = points(course, "ada")
    assert sum(auto or 0 for name, (auto, _, _) in given.items() if name.startswith("check_")) == 10
    written = sorted(name for name in given if name.startswith("reflect_"))
    assert written and all(given[name][2] for name in written)
    page.goto(f"/formgrader/submissions/{submission(course, 'ada')}", wait_until="networkidle")
    for name in written:
        page.locator(f"input.score#{name}").fill("1.5")
        page.locator(f"input.score#{name}").press("Tab")
    page.locator(f"textarea#{written[0]}-comment").fill("well put")
    page.locator(f"textarea#{written[0]}-comment").press("Tab")
    page.wait_for_timeout(2000)
    marked = points(course, "ada")
    assert {name: marked[name] for name in written} == dict.fromkeys(written, (None, 1.5, False))
    assert "Success" in autograde(page, "ada")
    again = points(course, "ada")
    assert all(again[name][1] == 1.5 for name in written)
    assert {n: g for n, g in again.items() if n.startswith("check_")} == {
        n: g for n, g in given.items() if n.startswith("check_")
    }
    write_feedback(course, "ada", LESSON)
    page.goto(f"file://{course}/feedback/ada/{LESSON}/{LESSON}.html")
    assert "well put" in page.inner_text("body")


def test_nothing_that_a_student_wrote_runs_in_formgrader_feedback_or_the_report(page, handed_in, tmp_path):
    course = handed_in
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    assert main(["run", str(course), LESSON, "--seed", "s"]) == 0
    assert main(["report", str(course), LESSON, "--html", str(tmp_path / "report.html"), "--names"]) == 0
    pages = [
        f"/formgrader/manage_submissions/{LESSON}",
        f"/formgrader/gradebook/{LESSON}/{LESSON}",
        "/formgrader/manage_students",
        f"/formgrader/submissions/{submission(course, 'mallory')}",
        f"file://{course}/feedback/mallory/{LESSON}/{LESSON}.html",
        f"file://{tmp_path}/report.html",
    ]
    for address in pages:
        page.goto(address)
        page.wait_for_timeout(1500)
        assert page.locator("body").inner_text().strip(), address
        for element in page.locator("a", has_text=re.compile("^(click|x)$")).all():
            element.click(no_wait_after=True, timeout=2000)
        assert page.evaluate("window.ran || 0") == 0, address
        assert not dialogs, (address, dialogs)
        assert not page.locator(
            "b[onmouseover], img[onerror], svg[onload], details[ontoggle], iframe"
        ).count(), address
