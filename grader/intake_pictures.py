"""Pictures that lie beside a submitted notebook: they become part of the text that shows them.

So they reach autograded/, Formgrader and the feedback page by the way of pasted pictures, under `run` and nbgrader alike.
"""

import base64
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote

from .intake_file import MAX_PICTURES, SubmittedCell
from .submitted import PICTURE_TYPES, pictures_beside

SHOWN = re.compile(
    r"(?P<before>!\[[^\]]*\]\(\s*<?|<img\b[^>]*?\bsrc\s*=\s*[\"']?)(?P<name>(?:\./)?[^\s\"'<>)/][^\"'<>)/]*?)(?=[\s\"'>)]|$)",
    re.IGNORECASE,
)
"""A picture shown by its file's name, in Markdown or HTML. Names with folders in them are left as they are."""


def with_pictures_beside(cells: list[SubmittedCell], file: Path) -> list[SubmittedCell]:
    """The cells, with the pictures in the notebook's folder attached to the texts that show them."""
    beside = pictures_beside(file)
    return [_attached(cell, beside) if cell.cell_type == "markdown" else cell for cell in cells]


def _attached(cell: SubmittedCell, beside: dict[str, Path]) -> SubmittedCell:
    attachments = dict(cell.attachments)

    def attach(shown: re.Match) -> str:
        name = unquote(shown["name"].removeprefix("./"))
        if name not in beside:
            return shown.group()
        if name not in attachments:
            data = base64.b64encode(beside[name].read_bytes()).decode("ascii")
            if len(data) > MAX_PICTURES:
                return shown.group()
            attachments[name] = {PICTURE_TYPES[beside[name].suffix.lower()]: data}
        return f"{shown['before']}attachment:{quote(name)}"

    return replace(cell, source=SHOWN.sub(attach, cell.source), attachments=attachments)
