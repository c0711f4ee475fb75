"""An executed lesson as a page: pictures as files, buttons, links inside the book."""

import base64
import hashlib
import html
import re
from html.parser import HTMLParser
from pathlib import Path

from nbformat import NotebookNode

from ..project import Project
from .links import Links

IMAGE = re.compile(r'<img alt="(?P<alt>[^"]*)"[^>]*src="data:image/png;base64,(?P<data>[^"]+)"[^>]*>')
SECONDS = re.compile(r" *\(\d+(?:\.\d+)? s\)|\b\d+(?:\.\d+)? s (?=in all\b|of one core\b)")
"""How long a run took, where a lesson prints it: no two runs agree, and the same sources shall give the same book."""
SCHEME = re.compile(r"^### BEGIN MARK SCHEME\n(.*?)^### END MARK SCHEME$", re.MULTILINE | re.DOTALL)


def lesson_page(notebook: NotebookNode, lesson: str, links: Links, source: Path) -> NotebookNode:
    """A lesson's notebook as a page of the book.

    Args:
        notebook: executed or not; it is changed.
        lesson: its name.
        links: where pages stand; the page itself is `lessons/<lesson>.ipynb`.
        source: the folder of the pages' sources. Pictures are written into its `_static/figures`.
    """
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            text = SCHEME.sub(r":::{admonition} Marking scheme\n\1:::", cell.source)
            if number == 0:
                text = _with_buttons(text, lesson, links.project)
            cell.source = links.rewritten(text, f"notebooks/{lesson}.ipynb", f"lessons/{lesson}.ipynb")
        elif cell.source.startswith("# Set-up."):
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-input"]
        for output in cell.get("outputs", []):
            _for_a_page(output, lesson, source / "_static" / "figures")
    return notebook


def _with_buttons(text: str, lesson: str, project: Project) -> str:
    title, _, rest = text.partition("\n")
    rest = "\n".join(line for line in rest.splitlines() if not line.startswith("[![Open in "))
    return f"{title}\n\n{buttons(lesson, project)}\n{rest}"


def buttons(lesson: str, project: Project) -> str:
    """HTML: links that open a lesson in Colab, Kaggle and Binder, and one that downloads it."""
    values = project.values()
    name, tag = values["owner_and_name"], values["tag"]
    path = f"notebooks/{lesson}.ipynb"
    places = {
        "Open in Colab": f"https://colab.research.google.com/github/{name}/blob/{tag}/{path}",
        "Kaggle": f"https://kaggle.com/kernels/welcome?src={project.repository}/blob/{tag}/{path}",
        "Binder": f"https://mybinder.org/v2/gh/{name}/{tag}?urlpath=lab/tree/{path}",
    }
    shown = [f'<a href="{html.escape(address)}">{place}</a>' for place, address in places.items()]
    shown.append(f'<a href="../_static/notebooks/{lesson}.ipynb" download>Download</a>')
    return f'<p class="buttons">{" ".join(shown)}</p>\n'


def _for_a_page(output: NotebookNode, lesson: str, figures: Path) -> None:
    if output.output_type == "stream":
        output.text = SECONDS.sub("", output.text)
    data = output.get("data", {})
    if "text/html" not in data:
        return
    if (
        'class="highlight"' in data["text/html"]
    ):  # IPython's Code brings colours of its own, for light pages only
        code = _text_in(data["text/html"]).strip("\n")
        output.data = NotebookNode({"text/markdown": f"```python\n{code}\n```"})
        return
    data["text/html"] = IMAGE.sub(lambda image: _as_file(image, lesson, figures), data["text/html"])


def _as_file(image: re.Match, lesson: str, figures: Path) -> str:
    png = base64.b64decode(image["data"])
    name = f"{lesson[:2]}-{hashlib.sha256(png).hexdigest()[:12]}.png"
    figures.mkdir(parents=True, exist_ok=True)
    (figures / name).write_bytes(png)
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    size = f'width="{width}" height="{height}"'
    return f'<img class="figure" alt="{image["alt"]}" {size} loading="lazy" src="../_static/figures/{name}">'


class _Text(HTMLParser):
    def __init__(self):
        super().__init__()
        self.parts: list[str] = []
        self._in_code = False

    def handle_starttag(self, tag, attrs):
        self._in_code = self._in_code or tag == "pre"

    def handle_endtag(self, tag):
        self._in_code = self._in_code and tag != "pre"

    def handle_data(self, data):
        if self._in_code:
            self.parts.append(data)


def _text_in(source: str) -> str:
    """The text of the `<pre>` elements of a page."""
    parser = _Text()
    parser.feed(source)
    return "".join(parser.parts)
