"""What pages are made of: links, formulas, pictures, what is kept of a run, the start page, docstrings."""

import ast
import base64
import re

import nbformat
import pytest
from docutils.core import publish_doctree
from docutils.utils import SystemMessage
from sphinx.ext.napoleon import Config, GoogleDocstring

from grader.book import lessons
from grader.book.lesson_pages import lesson_page
from grader.book.links import Links
from grader.book.mathml import mathml
from grader.book.prose import pages_of, readme_sections
from grader.book.reference import ROOMS, reference_pages, room_modules
from grader.book.teaching import exercises_of, known_mistakes
from grader.build import ROOT, lesson_notebook, lesson_sources
from grader.project import ProjectError, own_project
from reward_lab.checks.subject import LocalSubject
from reward_lab.lessons.lesson01 import check

PROJECT = own_project()
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)

CODE = '<div class="highlight"><pre><span>a &lt; b</span>\n</pre></div>'


@pytest.fixture
def links() -> Links:
    return Links(PROJECT, pages_of(PROJECT, ["01_reward_modeling"]))


@pytest.mark.parametrize(
    "origin, page, link, wanted",
    [
        ("README.md", "students.md", "notebooks/README.md#your-work-is-yours", "syllabus.md#your-work-is-yours"),
        ("README.md", "authors.md", "#for-students", "#for-students"),
        ("notebooks/README.md", "syllabus.md", "01_reward_modeling.ipynb", "lessons/01_reward_modeling.ipynb"),
        ("docs/decisions/a.md", "decisions/a.md", "../../grader/README.md", "../grader.md"),
        ("docs/students.md", "students.md", "../README.md#numbers", "numbers.md"),
        ("README.md", "authors.md", "https://example.org/a", "https://example.org/a"),
        ("README.md", "index.md", "notebooks/figures/unseen_words.png", "pictures/unseen_words.png"),
        ("README.md", "index.md", "tests", f"{PROJECT.repository}/tree/{PROJECT.values()['tag']}/tests"),
        ("README.md", "index.md", "LICENSE", f"{PROJECT.repository}/blob/{PROJECT.values()['tag']}/LICENSE"),
        # A lesson that is not in the book leads to the repository.
        ("README.md", "index.md", "notebooks/08_dpo.ipynb",
         f"{PROJECT.repository}/blob/{PROJECT.values()['tag']}/notebooks/08_dpo.ipynb"),
        ("notebooks/01_reward_modeling.ipynb", "lessons/01_reward_modeling.ipynb",
         f"{PROJECT.repository}/blob/{PROJECT.values()['tag']}/notebooks/glossary.md", "../glossary.md"),
    ],
)  # fmt: skip
def test_a_link_leads_to_the_page_or_to_the_repository(links, origin, page, link, wanted):
    assert links.rewritten(f"see [it]({link}), `f[0](x)`", origin, page) == f"see [it]({wanted}), `f[0](x)`"


def test_a_link_to_no_file_is_refused(links):
    with pytest.raises(ProjectError, match="gone.md leads to no file"):
        links.rewritten("[it](gone.md)", "README.md", "index.md")


def test_every_formula_of_every_lesson_becomes_mathml():
    count = 0
    for path in [*lesson_sources().values(), *(ROOT / "notebooks").glob("*.md")]:
        text = path.read_text(encoding="utf-8").replace("\n# ", "\n")
        for block, inline in re.findall(r"\$\$(.+?)\$\$|(?<![\w$])\$([^$\n]+)\$(?!\d)", text, re.DOTALL):
            element = mathml(block or inline, "block" if block else "inline")
            assert element.startswith("<math ") and "\\" not in re.sub(r'aria-label="[^"]*"', "", element), (
                block or inline
            )
            count += 1
    assert count > 400


def test_a_figure_becomes_a_file_with_its_alt_text_and_a_measured_time_is_left_out(links, tmp_path):
    image = f'<img alt="A dot &amp; no more" style="x" src="data:image/png;base64,{base64.b64encode(PNG).decode()}">'
    cell = nbformat.v4.new_code_cell("show()")
    cell.outputs = [
        nbformat.v4.new_output("display_data", data={"text/html": image, "text/plain": "A dot"}),
        nbformat.v4.new_output(
            "stream",
            text="90,000 parameters, 7 s in all\nepoch 1  (2.3 s)\ntook 3.2 s of one core, 4 s later\n",
        ),
        nbformat.v4.new_output("display_data", data={"text/html": CODE}),
    ]
    first = nbformat.v4.new_markdown_cell("# Lesson 1\n\nText")
    page = lesson_page(nbformat.v4.new_notebook(cells=[first, cell]), "01_reward_modeling", links, tmp_path)
    (figure,) = (tmp_path / "_static" / "figures").iterdir()
    assert figure.read_bytes() == PNG
    html, printed, code = (output.get("data", output) for output in page.cells[1].outputs)
    assert 'alt="A dot &amp; no more"' in html["text/html"] and f"figures/{figure.name}" in html["text/html"]
    assert 'width="1" height="1"' in html["text/html"] and "base64" not in html["text/html"]
    assert printed["text"] == "90,000 parameters, in all\nepoch 1\ntook of one core, 4 s later\n"
    assert code == {"text/markdown": "```python\na < b\n```"}


def test_a_lesson_is_run_again_only_if_what_it_is_made_from_changes(tmp_path, monkeypatch):
    runs = []
    monkeypatch.setattr(lessons, "execute", lambda notebook, *_, **__: runs.append(1) or notebook)
    for _ in range(2):
        lessons.executed(PROJECT, "02_bradley_terry", False, tmp_path)
    assert len(runs) == 1
    lessons.executed(PROJECT, "02_bradley_terry", True, tmp_path)
    monkeypatch.setattr(lessons, "PACKAGES", (*lessons.PACKAGES, "pytest"))
    lessons.executed(PROJECT, "02_bradley_terry", False, tmp_path)
    assert len(runs) == 3 and len(list(tmp_path.iterdir())) == 2  # what is out of date goes


def test_the_start_page_shows_the_first_exercise_and_its_check_as_they_are():
    page = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    notebook = lesson_notebook(PROJECT, "01_reward_modeling", solved=False)
    (cell,) = [cell for cell in notebook.cells if cell.id == "preference_accuracy"]
    assert f"```python\n{cell.source.strip()}\n```" in page

    def counts_ties(reward_preferred, reward_rejected):
        return (reward_preferred >= reward_rejected).double().mean()

    report = check.preference_accuracy.report(lambda seed: LocalSubject(counts_ties, "cpu", seed))
    told = "\n".join(line for line in str(report).splitlines() if "to see it yourself" not in line)
    assert f"```text\n{told.strip()}\n```" in page


def test_every_section_of_the_readme_that_a_page_takes_is_there():
    sections = readme_sections(ROOT / "README.md")
    for page in (ROOT / "docs").glob("*.md"):
        for heading in re.findall(r"^<!-- README: (.*) -->$", page.read_text(), re.MULTILINE):
            assert len(sections[heading]) > 500, heading


def test_the_reference_has_every_module_with_something_public_but_those_of_lessons_and_commands():
    package = ROOT / "src" / "reward_lab"
    listed = [name for room in ROOMS for name in room_modules(package, room)]
    assert len(listed) == len(set(listed)) > 50
    assert {"reward_lab.trainer", "reward_lab.rlhf.ppo", "reward_lab.checks.exercise"} <= set(listed)
    rooms = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    assert rooms - {"lessons", "examples"} == set(ROOMS) - {"core"}
    assert set(reference_pages(package)) == {"api/index.md", *(f"api/{room}.md" for room in ROOMS)}


def public_docstrings(module: str):
    """(name, docstring) of a module and of all that is public in it."""
    tree = ast.parse((ROOT / "src" / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield getattr(node, "name", module), ast.get_docstring(node)
        kinds = (ast.ClassDef, ast.FunctionDef)
        waiting += [n for n in node.body if isinstance(n, kinds) and not n.name.startswith("_")]


@pytest.mark.parametrize("room", ROOMS)
def test_every_docstring_of_the_reference_is_well_formed(room):
    """What Sphinx would complain of, without importing anything."""
    for module in room_modules(ROOT / "src" / "reward_lab", room):
        for name, text in public_docstrings(module):
            rst = ".. default-role:: literal\n\n" + str(
                GoogleDocstring(text or "", Config(napoleon_use_rtype=False))
            )
            try:
                publish_doctree(rst, settings_overrides={"halt_level": 2, "report_level": 5})
            except SystemMessage as error:
                pytest.fail(f"{module}, {name}: {error}")


@pytest.mark.parametrize("lesson", lesson_sources())
def test_the_teaching_notes_have_mistakes_for_every_exercise(lesson):
    found = exercises_of(PROJECT, lesson, lesson_notebook(PROJECT, lesson, solved=True))
    assert [exercise.name for _, exercise in found] and len(found) == len(set(PROJECT.checks(lesson).__all__))
    for module, exercise in found:
        assert len(known_mistakes(module)) >= 3, exercise.name
