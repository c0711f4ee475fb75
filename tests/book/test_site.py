"""Built sites, of one lesson that is not executed: they hold what they promise, and what would break it is found."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from grader.book import proof
from grader.book.site import Book, build_book, write_sources
from grader.build import lesson_sources, read_source
from grader.project import ProjectError, own_project

pytestmark = pytest.mark.slow  # Sphinx takes some seconds for a site
PROJECT = own_project()
LESSON = "02_bradley_terry"


def build(folder: Path, **settings) -> Path:
    """A site of one lesson, without the reference."""
    book = Book(folder / "site", folder / "work", lessons=(LESSON,), run=False, reference=False, **settings)
    build_book(book)
    return book.output


@pytest.fixture(scope="module")
def public(tmp_path_factory) -> Path:
    return build(tmp_path_factory.mktemp("public"))


@pytest.fixture(scope="module")
def instructor(tmp_path_factory) -> Path:
    return build(tmp_path_factory.mktemp("instructor"), instructor=True)


def hashes(site: Path) -> dict[str, str]:
    files = (path for path in site.rglob("*") if path.is_file())
    return {str(p.relative_to(site)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_the_same_sources_give_the_same_bytes(public, tmp_path):
    assert hashes(build(tmp_path)) == hashes(public)


def test_what_a_lesson_prints_of_a_colleagues_program_is_no_secret_and_the_rest_of_an_answer_is():
    hidden = proof.hidden_lines(PROJECT)
    printed = [
        line.strip()
        for lesson in lesson_sources()
        for line in proof.colleagues_program(PROJECT, lesson).splitlines()
    ]
    assert len(printed) > 40 and not set(printed) & set(hidden.values())
    assert len(hidden) > 200


def test_the_public_site_has_every_page_and_no_complaint(public):
    pages = {str(path.relative_to(public)) for path in public.rglob("*.html")}
    wanted = {
        "index",
        "students",
        "instructors",
        "authors",
        "syllabus",
        "glossary",
        "cheat_sheet",
        "preferences",
    }
    wanted |= {"grader", "numbers", "new", "contributing", "conduct", "search", f"lessons/{LESSON}"}
    assert {f"{name}.html" for name in wanted} <= pages
    assert not any("teaching" in page for page in pages)
    assert "Do not hand it out" not in (public / "index.html").read_text()
    assert proof.complaints(public, PROJECT, public=True) == []


def test_a_lesson_has_its_buttons_hints_and_formulas(public):
    page = (public / "lessons" / f"{LESSON}.html").read_text()
    name, tag = PROJECT.values()["owner_and_name"], PROJECT.values()["tag"]
    buttons = page.split('<p class="buttons">')[1].split("</p>")[0]
    assert re.findall(r'href="([^"]*)"', buttons) == [
        f"https://colab.research.google.com/github/{name}/blob/{tag}/notebooks/{LESSON}.ipynb",
        f"https://kaggle.com/kernels/welcome?src=https://github.com/{name}/blob/{tag}/notebooks/{LESSON}.ipynb",
        f"https://mybinder.org/v2/gh/{name}/{tag}?urlpath=lab/tree/notebooks/{LESSON}.ipynb",
        f"../_static/notebooks/{LESSON}.ipynb",
    ]
    assert "colab-badge" not in page
    exercises = [cell for cell in read_source(lesson_sources()[LESSON]).cells if cell.id.startswith("check_")]
    assert page.count("<summary>Hint 1</summary>") == len(exercises)
    prose = re.sub(r"<pre.*?</pre>|<code.*?</code>", "", page, flags=re.DOTALL)
    assert page.count("<math ") > 50 and not re.search(r"\$[^$]+\$", prose)
    download = json.loads((public / "_static" / "notebooks" / f"{LESSON}.ipynb").read_text())
    assert download == json.loads(PROJECT.notebook(LESSON).read_text())


def test_the_instructors_edition_holds_the_answers_and_notes(instructor):
    hidden = proof.hidden_lines(PROJECT)
    source = {
        proof._squeezed(line)
        for c in read_source(lesson_sources()[LESSON]).cells
        for line in c.source.splitlines()
    }
    of_lesson = {key: line for key, line in hidden.items() if key in source}
    assert len(of_lesson) > 20
    page = proof._squeezed(proof._text((instructor / "lessons" / f"{LESSON}.html").read_text()))
    assert not [line for key, line in of_lesson.items() if key not in page and "MARK SCHEME" not in line]
    assert "Do not hand it out" in (instructor / "index.html").read_text()
    notes = (instructor / "teaching" / f"{LESSON}.html").read_text()
    assert "These are worths, exp(ability)" in notes and "What came out." in notes and "25" in notes
    assert "Marking scheme" in (instructor / "lessons" / f"{LESSON}.html").read_text()
    assert len(proof.answers_in(instructor, PROJECT)) > 20
    assert proof.complaints(instructor, PROJECT, public=False) == []


def test_no_source_of_the_public_site_holds_an_answer(tmp_path):
    """All lessons, in the form that Sphinx reads; what it makes of one is looked at above."""
    book = Book(tmp_path / "site", tmp_path / "work", run=False, reference=False)
    write_sources(book)
    assert len(list((book.source / "lessons").iterdir())) == len(lesson_sources())
    assert proof.answers_in(book.source, PROJECT) == []
    per_lesson = Book(tmp_path / "site", tmp_path / "work", run=False, reference=False, instructor=True)
    write_sources(per_lesson)
    told = "\n".join(proof.answers_in(per_lesson.source, PROJECT))
    for lesson in lesson_sources():
        assert told.count(f"lessons/{lesson}.ipynb: holds") > 8, lesson


FAULTS = {
    "dead link nowhere.html": '<a href="nowhere.html">there</a>',
    "dead link syllabus.html#no-such-place": '<a href="syllabus.html#no-such-place">there</a>',
    "dead link https://github.com/reward-lab/reward-lab/blob/v0.1.0/gone.md": (
        '<a href="https://github.com/reward-lab/reward-lab/blob/v0.1.0/gone.md">there</a>'
    ),
    "loads https://cdn.example.org/math.js": '<script src="https://cdn.example.org/math.js"></script>',
    "no alt text for _static/book.css": '<img src="_static/book.css" alt="">',
    "bytes with its pictures": "<p>" + "much " * 400_000 + "</p>",
    "holds the answer": "<pre>{answer}</pre>",
}


@pytest.mark.parametrize("complaint, fault", FAULTS.items(), ids=lambda value: value[:30])
def test_a_fault_would_be_found(public, tmp_path, complaint, fault):
    site = shutil.copytree(public, tmp_path / "site")
    answer = max(proof.hidden_lines(PROJECT).values(), key=len)
    page = site / "new.html"
    page.write_text(page.read_text().replace("</article>", fault.replace("{answer}", answer) + "</article>"))
    (found,) = proof.complaints(site, PROJECT, public=True)
    assert found.startswith("new.html: ") and complaint in found


def test_a_public_site_with_an_answer_is_deleted(public, tmp_path, monkeypatch):
    def sphinx(command, **_):
        shutil.copytree(public, command[-1])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("grader.book.site.subprocess.run", sphinx)
    monkeypatch.setattr(
        proof, "hidden_lines", lambda project: {"Thewordsthatthelessonsshare": "a line of an answer"}
    )
    with pytest.raises(ProjectError, match="glossary.html: holds the answer"):
        build(tmp_path)
    assert not (tmp_path / "site").exists()
