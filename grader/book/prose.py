"""The pages of prose: README by its sections, notebooks/*.md, docs/*.md, the guide of the grader, what is new."""

import re
from pathlib import Path

from ..project import Project, ProjectError
from .links import Links

FILES = {
    "notebooks/README.md": "syllabus.md",
    "notebooks/glossary.md": "glossary.md",
    "notebooks/cheat_sheet.md": "cheat_sheet.md",
    "grader/README.md": "grader.md",
    "CHANGELOG.md": "new.md",
    "CONTRIBUTING.md": "contributing.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
}
SECTIONS = {
    "for-students": "students.md",
    "your-own-preferences": "preferences.md",
    "for-instructors": "instructors.md",
    "for-authors": "authors.md",
    "numbers": "numbers.md",
}
"""Heading of a section of README.md, as GitHub names it in links -> the page that it stands on."""
SECTION = re.compile(r"^<!-- README: (.*) -->$", re.MULTILINE)
BADGE = re.compile(r"\[!\[(?P<says>[^\]]*)\]\([^)]*\)\]\((?P<target>[^)]*)\)")
LETTERS = re.compile(r"^\*\*(.+?)\.\*\* ", re.MULTILINE)


def pages_of(project: Project, lessons: list[str]) -> dict[str, str]:
    """Path in the repository -> path among the pages, of all that the book shows; see Links."""
    pages = {f"{project.notebooks}/{lesson}.ipynb": f"lessons/{lesson}.ipynb" for lesson in lessons}
    pages |= FILES | {"README.md": "index.md", "notebooks": "syllabus.md"}
    pages |= {f"README.md#{heading}": page for heading, page in SECTIONS.items()}
    docs = project.root / "docs"
    pages |= {f"docs/{path}": path for path in (p.relative_to(docs).as_posix() for p in docs.rglob("*.md"))}
    return pages


def prose_pages(project: Project, links: Links) -> dict[str, str]:
    """Path among the pages -> Markdown, of every page of prose."""
    sections = readme_sections(project.root / "README.md")
    docs = project.root / "docs"
    written = {}
    for origin, page in FILES.items():
        text = (project.root / origin).read_text(encoding="utf-8")
        written[page] = links.rewritten(_with_anchors(text, page), origin, page)
    for path in sorted(docs.rglob("*.md")):
        page = path.relative_to(docs).as_posix()
        parts = SECTION.split(links.rewritten(path.read_text(encoding="utf-8"), f"docs/{page}", page))
        for number in range(1, len(parts), 2):
            if parts[number] not in sections:
                raise ProjectError(f"docs/{page}: README.md has no section {parts[number]!r}")
            parts[number] = links.rewritten(
                BADGE.sub(r"[\g<says>](\g<target>)", sections[parts[number]]), "README.md", page
            )
        written[page] = "".join(parts)
    return written


def readme_sections(readme: Path) -> dict[str, str]:
    """Heading -> text of each section of README.md, its subsections one level higher than they stand there."""
    parts = re.split(r"^## (.*)$", readme.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        heading: re.sub(r"^###", "##", text, flags=re.MULTILINE).strip()
        for heading, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def _with_anchors(text: str, page: str) -> str:
    """The glossary, with a place to link to at each word."""
    if page != "glossary.md":
        return text
    return LETTERS.sub(lambda word: f"({re.sub(r'[^a-z0-9]+', '-', word[1].lower())})=\n{word[0]}", text)
