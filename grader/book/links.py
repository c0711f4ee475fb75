"""Links between the repository's own files, as links between the pages of the book."""

import posixpath
import re

from ..project import Project, ProjectError

LINK = re.compile(r"(?P<start>!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\()(?P<target>[^()\s]+)\)")
CODE = re.compile(r"(^```.*?^```|`[^`\n]*`)", re.MULTILINE | re.DOTALL)


class Links:
    """Where the files of a project stand in the book.

    Args:
        project: whose files.
        pages: path in the repository -> path among the pages, both with `/`. Beside a whole file, `FILE#heading` may
            stand on a page of its own.
    """

    def __init__(self, project: Project, pages: dict[str, str]):
        self.project, self.pages = project, pages
        self.pictures: dict[str, str] = {}
        """Path in the repository -> path among the pages, of each picture that a page shows."""
        values = project.values()
        self._blob = f"{project.repository}/blob/{values['tag']}/"
        self._tree = f"{project.repository}/tree/{values['tag']}/"

    def rewritten(self, text: str, origin: str, page: str) -> str:
        """Markdown of a file of the repository, for a page.

        Args:
            text: what stands there.
            origin: the file's path in the repository.
            page: the page's path.

        Raises:
            ProjectError: a link leads to no file.
        """

        def target(match: re.Match) -> str:
            return match["start"] + self._target(match["target"], origin, page) + ")"

        parts = CODE.split(text)
        return "".join(part if number % 2 else LINK.sub(target, part) for number, part in enumerate(parts))

    def _target(self, target: str, origin: str, page: str) -> str:
        if target.startswith(self._blob):
            path = target.removeprefix(self._blob)
        elif re.match(r"[a-z]+:|#", target):
            return target
        else:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
        file, _, heading = path.partition("#")
        found = self.pages.get(path)
        if found is None and file in self.pages:
            found = self.pages[file] + (f"#{heading}" if heading else "")
        if found is not None:
            return posixpath.relpath(found, posixpath.dirname(page) or ".")
        if not (self.project.root / file).exists():
            raise ProjectError(f"{origin}: the link to {target} leads to no file")
        if file.endswith(".png"):
            self.pictures[file] = "pictures/" + posixpath.basename(file)
            return posixpath.relpath(self.pictures[file], posixpath.dirname(page) or ".")
        return (self._tree if (self.project.root / file).is_dir() else self._blob) + path
