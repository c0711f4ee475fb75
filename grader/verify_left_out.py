"""What is left out of a submission's cells, because it broke its session, and what is said of it."""

from nbformat import NotebookNode

from .verify_faults import Faults

MAX_LEFT_OUT = 40
"""Statements that may break their session; the cells that follow are then not run."""


class LeftOut:
    """Statements and cells that don't run again.

    Args:
        faults: learns of each.
        notes: a note on each is added to it.
        timeout: seconds of a submission, for the notes.
    """

    def __init__(self, faults: Faults, notes: list[str], timeout: float):
        self.faults, self.notes, self._timeout = faults, notes, timeout
        self.count = 0
        self._skip: dict[str, list[int]] = {}  # statements, by cell
        self._dropped: set[str] = set()  # whole cells
        self._definitions_only = False

    def is_to_run(self, cell: NotebookNode) -> bool:
        added = cell.id.startswith("added-")
        return cell.id not in self._dropped and not (added and self.count > MAX_LEFT_OUT)

    def request(self, cell: NotebookNode) -> dict:
        """What a session is asked to run of a cell."""
        skip = self._skip.get(cell.id, [])
        return {"op": "run", "source": cell.source, "skip": skip, "definitions_only": self._definitions_only}

    def add(self, cell: NotebookNode, place: tuple[int, int] | None, how: str, out_of_time: bool) -> None:
        """Leave out the statement that broke a session, or its whole cell.

        Args:
            cell: the cell.
            place: number and line of the statement, if known.
            how: what happened, in words.
            out_of_time: whether the cells' time is used up, so that only definitions run from now on.
        """
        self.count += 1
        number, line = place or (None, 1)
        if number is None or number in self._skip.get(cell.id, []) or self.count > MAX_LEFT_OUT:
            self._dropped.add(cell.id)
        else:
            self._skip.setdefault(cell.id, []).append(number)
        self.faults.leave_out(cell.id, line, how)
        if self.count <= MAX_LEFT_OUT:
            self.notes.append(f"cell `{cell.id}`, line {line}, {how}, and was left out")
        elif self.count == MAX_LEFT_OUT + 1:
            self.notes.append("too many statements broke the session; the student's other cells were not run")
        if out_of_time and not self._definitions_only:
            self._definitions_only = True
            self.notes.append(
                f"the cells took more than {self._timeout / 2:g} seconds; they were run again with imports, "
                "definitions and constants only"
            )

    def note_replaced(self, names: list[str]) -> None:
        for name in names:
            note = f"a cell replaces IPython's own `{name}`, which has no effect on grading"
            if note not in self.notes:
                self.notes.append(note)
