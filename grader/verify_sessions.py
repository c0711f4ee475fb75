"""The sessions of one submission: its cells run, a copy of the session waits at each check, all within its time."""

import math
import socket
import time

from nbformat import NotebookNode

from .codec import ProtocolError
from .intake import SKIP_TAG, Submission, is_check
from .protocol import Channel, TimeLimit
from .sandbox import Sandbox
from .settings import Settings
from .verify_subject import NoAnswer


class Sessions:
    """Runs the cells of one submission and asks its answers.

    Fields: `notes` and `errors`, what went wrong on the way, as in an Outcome.
    """

    def __init__(self, sandbox: Sandbox, submission: Submission, settings: Settings):
        self.sandbox, self.settings = sandbox, settings
        self.steps = [cell for cell in submission.notebook.cells if _is_step(cell)]
        self.checks = [cell for cell in self.steps if is_check(cell)]
        self.notes: list[str] = []
        self.errors: dict[str, tuple[str, str, str]] = {}
        self._end = self._end_of_share = time.monotonic() + settings.timeout
        self._dropped: set[str] = set()
        self._session: Channel | None = None
        self._copies: dict[str, Channel] = {}

    def run_all_cells(self, record: bool, until: NotebookNode | None = None) -> Channel:
        """Run the cells in a new session, up to a check if one is given. Fork a copy for every check on the way.

        A cell that breaks its session is left out from then on, and the cells run again.
        """
        while True:
            channel = self._open_session()
            broken = self._run_cells(channel, record, until)
            if broken is None:
                return channel
            if not record and self._time_left() <= 0:  # no fault of this cell's
                self.end_session()
                raise NoAnswer(f"no answer: the code {self._out_of_time()}")
            how = self._how_it_ended(broken[1])
            self._dropped.add(broken[0].id)
            self.notes.append(f"cell `{broken[0].id}` {how}, and was left out")
            self.errors[broken[0].id] = ("LeftOut", f"This cell {how}, and was left out.", "")

    def _run_cells(self, channel: Channel, record: bool, until: NotebookNode | None):
        """Returns (cell, exception) for the first cell that broke the session, or None."""
        for cell in self.steps:
            if until is not None and cell.id == until.id:
                return None
            if is_check(cell):
                if until is None and self.sandbox.session_threads() == 1:
                    self._fork_copy(channel, cell)
            elif cell.id not in self._dropped:
                try:
                    reply = self._ask(channel, {"op": "run", "source": cell.source})
                    error = reply["error"] if isinstance(reply, dict) else None
                except (ProtocolError, TimeLimit) as problem:
                    return cell, problem
                if record and _is_error(error):
                    self.errors[cell.id] = tuple(error)
        return None

    def _fork_copy(self, channel: Channel, check: NotebookNode) -> None:
        """Have the session fork a copy of itself for this check."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._ask(channel, {"op": "fork"}, (theirs.fileno(),))
            self._copies[check.id] = Channel(ours)
        except (ProtocolError, TimeLimit):
            ours.close()  # the check then gets a session of its own

    def _process_for(self, check: NotebookNode) -> Channel:
        """A process in the state in which the lesson reaches this check: a waiting copy, or else a new session.

        A copy can't be made of a process that has started threads, and is gone after an answer broke it.
        """
        if check.id not in self._copies:
            self._copies[check.id] = self.run_all_cells(record=False, until=check)
        return self._copies[check.id]

    def leave(self, check: NotebookNode) -> None:
        """Let the check's process go. What it left behind, a bomb's threads perhaps, must not fall on the next check."""
        channel = self._copies.pop(check.id, None)
        if channel:
            channel.close()
        if self._session and self.sandbox.session_is_over():
            self.end_session()

    def ask_about(self, check: NotebookNode, request: dict) -> object:
        """Send a request to the check's process; on trouble, end the whole session and raise what happened.

        Raises:
            NoAnswer: with a reason that tells nothing about the inputs.
        """
        if self._time_left() <= 0:
            raise NoAnswer(f"no answer: the code {self._out_of_time()}")
        try:
            return self._ask(self._process_for(check), request)
        except (ProtocolError, TimeLimit) as problem:
            reason = self._how_it_ended(problem)
            self.end_session()
            raise NoAnswer(f"no answer: the code {reason}") from None

    def _ask(self, channel: Channel, request: dict, descriptors: tuple[int, ...] = ()) -> object:
        deadline = time.monotonic() + min(self.settings.answer_timeout, max(self._time_left(), 0.1))
        channel.send(request, descriptors, deadline)
        return channel.receive(deadline)

    def _open_session(self) -> Channel:
        self.end_session()
        # Kept, though only the copies may be asked later: a session ends with its channel, and they with it.
        self._session = self.sandbox.open_session(math.ceil(self.settings.timeout))
        return self._session

    def end_session(self) -> str | None:
        """End the session and all its copies. Returns why the keeper had ended it before, or None."""
        for channel in (self._session, *self._copies.values()):
            if channel:
                channel.close()
        if self._session is None:
            return None
        self._session = None
        self._copies.clear()
        return self.sandbox.end_session()

    def _how_it_ended(self, problem: Exception) -> str:
        """Why a session broke, in words. Exit codes are left out: student code chooses them."""
        if isinstance(problem, TimeLimit):
            if self._time_left() <= 0:
                return self._out_of_time()
            return f"did not end within {self.settings.answer_timeout:g} seconds"
        reason = self.sandbox.end_session()
        if reason:
            return reason
        text = str(problem)
        return f"sent {text}" if "message" in text else "ended its own process"

    def share_time(self, parts: int) -> None:
        """Let what comes next use one of so many equal parts of the time left, so that nothing uses up what others need."""
        now = time.monotonic()
        self._end_of_share = now + (self._end - now) / parts

    def _time_left(self) -> float:
        return self._end_of_share - time.monotonic()

    def _out_of_time(self) -> str:
        return f"used up its share of the {self.settings.timeout:g} seconds for a submission"


def _is_step(cell: NotebookNode) -> bool:
    """Whether grading runs this cell or stops at it for a check."""
    return cell.cell_type == "code" and SKIP_TAG not in cell.metadata.get("tags", [])


def _is_error(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(isinstance(part, str) for part in value)
