"""What failed while a submission's cells ran, in words: a lost answer always has a reason."""

import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass

from nbformat import NotebookNode

from .cells import defined_names

MAX_NOTES = 20
MAX_LETTERS = 500
"""Letters of a text of the student's side, as it stands in a verdict."""
MAX_TRACE = 4000
_UNREAD = ("SyntaxError", "IndentationError", "TabError")


@dataclass(frozen=True)
class Fault:
    """A statement that raised, or was left out.

    Fields: `cell`, the cell's id; `line` in it; `kind`, the exception's type, or None for what was left out;
    `message`; `trace`, the traceback; `names` that the statement would have bound.
    """

    cell: str
    line: int
    kind: str | None
    message: str
    trace: str = ""
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind is None:
            return f"cell `{self.cell}`, line {self.line}: {self.message}"
        said = f"{self.kind}: {self.message}" if self.message else self.kind
        return cut(f"cell `{self.cell}`, line {self.line}: {said}")


class Faults:
    """All faults of a submission.

    Args:
        cells: those that grading runs.
        python: the version of Python that saved the notebook, if it is known.
    """

    def __init__(self, cells: Iterable[NotebookNode], python: str | None = None):
        self._cells, self._python = list(cells), python
        self._found: dict[str, list[Fault]] = {}

    def __iter__(self):
        return (fault for cell in self._cells for fault in self._found.get(cell.id, []))

    def record(self, cell: str, errors: list) -> None:
        """Take what the worker said of a cell that ran; see `is_run_reply`."""
        left_out = [fault for fault in self._found.get(cell, []) if fault.kind is None]
        told = [
            Fault(
                cell,
                line,
                cut(kind, 100),
                cut(self._explained(kind, message)),
                trace[-MAX_TRACE:],
                tuple(names),
            )
            for line, kind, message, trace, names in errors
        ]
        self._found[cell] = [*left_out, *told]

    def leave_out(self, cell: str, line: int, how: str) -> None:
        """A statement was left out, for what it did to its process."""
        self._found.setdefault(cell, []).append(Fault(cell, line, None, f"it {how}, and was left out"))

    def errors(self) -> dict[str, tuple[str, str, str]]:
        """(type, message, traceback) of the first fault of each cell."""
        first = {cell: faults[0] for cell, faults in self._found.items() if faults}
        return {
            cell: (fault.kind or "LeftOut", str(fault) if fault.kind is None else fault.message, fault.trace)
            for cell, fault in first.items()
        }

    def why_missing(self, name: str) -> str:
        """Why nothing has this name."""
        for fault in self:
            if name in fault.names:
                return str(fault) + self._because(fault)
        makers = [cell.id for cell in self._cells if name in defined_names(cell.source)]
        for fault in self:
            if fault.cell in (*makers, name):
                return str(fault) + self._because(fault)
        if not makers:  # a cell that can't be read may be the one that was to define it
            unread = next((fault for fault in self if fault.kind in _UNREAD), None)
            return "no cell defines it" + (f" ({unread})" if unread else "")
        return f"cell `{makers[-1]}` ran, and the name was deleted or never bound"

    def why_not_defined(self, message: str) -> str:
        """What to add to the message of a NameError: the fault that the name is missing for."""
        found = re.search(r"name '(\w{1,100})' is not defined", message)
        if not found:
            return ""
        fault = next((fault for fault in self if found[1] in fault.names), None)
        return f" ({fault})" if fault else ""

    def notes(self) -> list[str]:
        """A line for each fault, the first MAX_NOTES of them."""
        lines = list(dict.fromkeys(str(fault) for fault in self))
        rest = len(lines) - MAX_NOTES
        return lines[:MAX_NOTES] + ([f"... and {rest} more statements failed"] if rest > 0 else [])

    def _because(self, fault: Fault) -> str:
        return self.why_not_defined(fault.message) if fault.kind == "NameError" else ""

    def _explained(self, kind: str, message: str) -> str:
        if kind not in _UNREAD:
            return message
        saved = f"; the notebook was saved by Python {self._python}" if self._python else ""
        return f"{message} (the grader runs Python {platform.python_version()}{saved})"


def is_run_reply(reply: object) -> bool:
    """Whether a worker's word on a cell that ran has the form that it must have."""
    return (
        isinstance(reply, dict)
        and reply.keys() == {"errors", "replaced"}
        and all(isinstance(part, list) and len(part) <= 100 for part in reply.values())
        and all(isinstance(name, str) and len(name) < 100 for name in reply["replaced"])
        and all(_is_error(error) for error in reply["errors"])
    )


def _is_error(error: object) -> bool:
    if not isinstance(error, list) or len(error) != 5:
        return False
    line, kind, message, trace, names = error
    texts = (kind, message, trace)
    return (
        type(line) is int
        and all(isinstance(text, str) for text in texts)
        and isinstance(names, list)
        and len(names) <= 100
        and all(isinstance(name, str) and len(name) < 1000 for name in names)
    )


def is_place(reply: object) -> bool:
    """Whether a worker says which statement it runs: its number and its line."""
    if not (isinstance(reply, dict) and reply.keys() == {"at"} and isinstance(reply["at"], tuple)):
        return False
    return len(reply["at"]) == 2 and all(
        type(number) is int and 0 <= number < 10**9 for number in reply["at"]
    )


def cut(text: str, letters: int = MAX_LETTERS) -> str:
    """At most so many letters of a text."""
    return text if len(text) <= letters else f"{text[:letters]} ..."
