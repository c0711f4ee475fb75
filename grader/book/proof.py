"""What every built site is held to. Each function gives its complaints, a line each; none means that it holds."""

import html
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

from ..build import lesson_notebook
from ..project import Project

LARGEST = 2_000_000
"""Bytes of a page together with the pictures on it."""
SHORTEST = 24
"""Letters, digits and underscores that a line of an answer has at least to be looked for: shorter ones are anybody's."""


class Page(HTMLParser):
    """What a page refers to: `places` it has, `links` out of it, what it `loads`, and its `images`."""

    def __init__(self, path: Path):
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.places |= {values[name] for name in ("id", "name") if values.get(name)}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") not in ("next", "prev", "index", "search", "canonical"):
            self.loads.append(values.get("href") or "")
        elif values.get("src"):
            self.loads.append(values["src"])
        if tag == "img":
            self.images.append(values)


def complaints(site: Path, project: Project, public: bool) -> list[str]:
    """Everything that is wrong with a site."""
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    found = [*dead_links(site, pages, project), *needs_network(site, pages), *without_alt(site, pages)]
    found += too_large(site, pages)
    return found + (answers_in(site, project) if public else [])


def dead_links(site: Path, pages: dict[Path, Page], project: Project) -> Iterator[str]:
    """Links to files or places in files that are not there; the repository's own files count too."""
    own = re.compile(rf"{re.escape(project.repository or '-')}/(?:blob|tree)/[^/]+/([^#?]*)")
    for path, page in pages.items():
        for link in sorted({*page.links, *page.loads}):
            in_repository = own.match(link)
            if in_repository:
                dead = not (project.root / unquote(in_repository[1])).exists()
            elif re.match(r"[a-z]+:", link):
                continue
            else:
                file, _, place = link.partition("#")
                file = file.partition("?")[0]
                target = (path.parent / unquote(file)).resolve() if file else path
                dead = not target.exists() or bool(
                    place and target in pages and unquote(place) not in pages[target].places
                )
            if dead:
                yield f"{path.relative_to(site)}: dead link {link}"


def needs_network(site: Path, pages: dict[Path, Page]) -> Iterator[str]:
    """What a page or a style sheet loads from elsewhere."""
    for path, page in pages.items():
        for address in page.loads:
            if re.match(r"(https?:)?//", address):
                yield f"{path.relative_to(site)}: loads {address}"
    for path in sorted(site.rglob("*.css")):
        for address in re.findall(
            r"(?:url\(|@import )\s*[\"']?((?:https?:)?//[^\"')\s]+)", path.read_text("utf-8")
        ):
            yield f"{path.relative_to(site)}: loads {address}"


def without_alt(site: Path, pages: dict[Path, Page]) -> Iterator[str]:
    """Pictures whose content no text tells."""
    for path, page in pages.items():
        for image in page.images:
            if len(image.get("alt") or "") < 20 or (image.get("alt") or "").endswith(".png"):
                yield f"{path.relative_to(site)}: no alt text for {image.get('src')}"


def too_large(site: Path, pages: dict[Path, Page]) -> Iterator[str]:
    """Pages that take more than LARGEST bytes, pictures included."""
    for path, page in pages.items():
        pictures = {(path.parent / unquote(image["src"] or "")).resolve() for image in page.images}
        size = path.stat().st_size + sum(picture.stat().st_size for picture in pictures if picture.is_file())
        if size > LARGEST:
            yield f"{path.relative_to(site)}: {size:,} bytes with its pictures"


def answers_in(site: Path, project: Project) -> list[str]:
    """Lines of answers, marking schemes and model answers that stand anywhere in a site."""
    needles, found = hidden_lines(project), []
    for path in sorted(site.rglob("*")):
        if path.suffix in (".html", ".js", ".ipynb", ".json", ".md", ".txt", ".py", ".inv"):
            text = path.read_text(encoding="utf-8", errors="ignore")
            squeezed = _squeezed(_text(text) if path.suffix == ".html" else text)
            found += [
                f"{path.relative_to(site)}: holds the answer {line!r}"
                for key, line in needles.items()
                if key in squeezed
            ]
    return found


@cache
def hidden_lines(project: Project) -> dict[str, str]:
    """Every line of the sources that students don't get: as it is looked for -> as it stands there.

    A program that was mended repeats the colleague's, which the lesson prints: those lines are no secret.
    """
    hidden: dict[str, str] = {}
    for lesson in project.lesson_sources():
        student = "\n".join(cell.source for cell in lesson_notebook(project, lesson, solved=False).cells)
        known = (
            _squeezed(student) + _squeezed(_text(student)) + _squeezed(colleagues_program(project, lesson))
        )
        for cell in lesson_notebook(project, lesson, solved=True).cells:
            for line in cell.source.splitlines():
                key = _squeezed(line)
                if len(key) >= SHORTEST and key not in known:
                    hidden[key] = line.strip()
    return hidden


def colleagues_program(project: Project, lesson: str) -> str:
    """The module of a lesson's programs with a bug in them; empty if it has none."""
    room = f"{project.lessons}.lesson{lesson[:2]}"
    module = importlib.util.find_spec(room) and importlib.util.find_spec(f"{room}.colleague")
    return Path(module.origin).read_text(encoding="utf-8") if module else ""


def _text(source: str) -> str:
    """HTML without its tags."""
    return html.unescape(re.sub(r"<[^>]*>", "", source))


def _squeezed(text: str) -> str:
    """Letters, digits and underscores only: white space and marks differ from form to form."""
    return re.sub(r"[^A-Za-z0-9_]", "", text)
