"""Put the pages together, and let Sphinx make the site."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from ..build import lesson_notebook, write_notebook
from ..project import Project, ProjectError, own_project
from .lesson_pages import lesson_page
from .lessons import executed
from .links import Links
from .proof import complaints
from .prose import pages_of, prose_pages
from .reference import reference_pages
from .teaching import teaching_page


@dataclass(frozen=True)
class Book:
    """What to build.

    Fields: `output`, the folder of the site, which is emptied first; `work`, a folder for the pages' sources and the
    executed lessons; `instructor`, with answers, marking schemes and teaching notes; `lessons`, which ones, all by
    default; `run`, show what they print and draw; `reference`, with the pages made of docstrings.
    """

    output: Path
    work: Path
    instructor: bool = False
    lessons: tuple[str, ...] = ()
    run: bool = True
    reference: bool = True
    project: Project = field(default_factory=own_project)

    @property
    def source(self) -> Path:
        """The folder of the pages' sources."""
        return self.work / ("source-instructor" if self.instructor else "source")


def build_book(book: Book) -> None:
    """Build the site.

    Raises:
        ProjectError: a link leads nowhere, Sphinx complains, or the site does not hold what `proof` asks of it. A public
            site that holds an answer is deleted.
    """
    write_sources(book)
    shutil.rmtree(book.output, ignore_errors=True)
    doctrees = book.work / f"doctrees-{book.source.name}"
    shutil.rmtree(doctrees, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", str(doctrees)]
    command += ["-t", "instructor"] if book.instructor else []
    surroundings = {**os.environ, "SOURCE_DATE_EPOCH": "0", "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [*command, str(book.source), str(book.output)], env=surroundings, cwd=book.project.root
    )
    if done.returncode:
        raise ProjectError("Sphinx has something to complain of, see above")
    (book.output / ".buildinfo").unlink(missing_ok=True)
    (book.output / ".nojekyll").touch()
    found = complaints(book.output, book.project, public=not book.instructor)
    if found:
        if not book.instructor:
            shutil.rmtree(book.output)
        raise ProjectError("\n".join(["the site does not hold:", *found]))


def write_sources(book: Book) -> None:
    """Write what Sphinx reads: the configuration, the pages, the lessons' notebooks and pictures."""
    project, source = book.project, book.source
    lessons = list(book.lessons or project.lesson_sources())
    links = Links(project, pages_of(project, lessons))
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(project.root / "docs", source, ignore=shutil.ignore_patterns("*.md", "__pycache__"))
    for lesson in lessons:
        if book.run:
            notebook = executed(project, lesson, book.instructor, book.work / "executed")
        else:
            notebook = lesson_notebook(project, lesson, book.instructor)
        write_notebook(lesson_page(notebook, lesson, links, source), source / "lessons" / f"{lesson}.ipynb")
        target = source / "_static" / "notebooks" / f"{lesson}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project.notebook(lesson), target)
    pages = prose_pages(project, links)
    if book.reference:
        pages |= reference_pages(project.root / "src" / "reward_lab")
    if book.instructor:
        for lesson in lessons:
            notes = teaching_page(project, lesson, lesson_notebook(project, lesson, solved=True))
            pages[f"teaching/{lesson}.md"] = links.rewritten(
                notes, f"notebooks/{lesson}.md", f"teaching/{lesson}.md"
            )
    pages["index.md"] += contents(book, lessons)
    for page, text in pages.items():
        (source / page).parent.mkdir(parents=True, exist_ok=True)
        (source / page).write_text(text, encoding="utf-8")
    for picture, target in links.pictures.items():
        (source / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project.root / picture, source / target)


def contents(book: Book, lessons: list[str]) -> str:
    """The book's table of contents, as Markdown for its start page."""
    parts = {
        "Start": ["students", "instructors", "authors"],
        "Lessons": ["syllabus", *(f"lessons/{lesson}" for lesson in lessons)],
        "At hand": ["glossary", "cheat_sheet", "preferences"],
        "Teaching": [f"teaching/{lesson}" for lesson in lessons] if book.instructor else [],
        "Behind it": ["grader", *(["api/index"] if book.reference else []), "numbers", "decisions/index"],
        "The project": ["new", "contributing", "conduct"],
    }
    blocks = [
        "```{toctree}\n:hidden:\n:caption: " + caption + "\n\n" + "\n".join(pages) + "\n```\n"
        for caption, pages in parts.items()
        if pages
    ]
    return "\n" + "\n".join(blocks)
