"""The sessions of one submission: its cells run, a copy of the session waits at each check, all within its time."""

import contextlib
import math
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from nbformat import NotebookNode

from .cells import is_check
from .codec import ProtocolError
from .intake import Submission
from .intake_cells import SKIP_TAG
from .protocol import Channel, TimeLimit
from .sandbox import Sandbox
from .settings import Settings
from .verify_clock import Clock, Stalled
from .verify_faults import Faults, is_place, is_run_reply
from .verify_subject import NoAnswer

LEAST_SECONDS = 0.5
"""What a statement gets though the time is used up."""
MAX_PLACES = 1000
"""How often a worker may say that a cell goes on."""
MAX_LEFT_OUT = 40
"""Statements that may break their session; the cells that follow are then not run."""


@dataclass
class _Process:
    """What answers a check: a copy of a session, or the session itself.

    Fields: `channel`; `fragile`, whether it is a copy of a process that had threads; `whole`, whether it is the session.
    """

    channel: Channel
    fragile: bool = False
    whole: bool = False


class Sessions:
    """Runs the cells of one submission and asks its answers.

    Fields: `clock`; `faults`, what failed in the cells; `notes`, what else is to be told.
    """

    def __init__(self, sandbox: Sandbox, submission: Submission, settings: Settings):
        self.sandbox, self.settings = sandbox, settings
        self.steps = [cell for cell in submission.notebook.cells if _is_step(cell)]
        self.checks = [cell for cell in self.steps if is_check(cell)]
        self.clock = Clock(sandbox, settings.timeout)
        self.faults = Faults(self.steps, getattr(submission, "python", None))
        self.notes: list[str] = []
        self._skip: dict[str, list[int]] = {}  # statements that are left out, by cell
        self._dropped: set[str] = set()  # cells that are left out whole
        self._limit = 0.0
        self._left_out = 0
        self._definitions_only = False
        self._copies_work = True
        self._session: Channel | None = None
        self._next = 0  # the step that the session reaches next
        self._processes: dict[str, _Process] = {}

    def run_all_cells(self) -> None:
        """Run the cells and fork a copy for every check on the way.

        A statement that breaks its session is left out from then on, and the cells run again. Once the time for the cells
        is used up they run again without what computes: definitions, on which answers rest, take no time.
        """
        self._run(len(self.steps), first_time=True)

    def ask_about(self, check: NotebookNode, request: dict, earlier: Sequence[dict] = ()) -> object:
        """Send a request to the check's process; on trouble, end the whole session and raise what happened.

        Args:
            check: the check's cell.
            request: what to ask.
            earlier: what was asked before in the same case, which a new process has to be asked again.

        Raises:
            NoAnswer: with a reason that tells nothing about the inputs.
        """
        self.clock.look_if_due()
        if self.clock.left <= 0:
            raise NoAnswer(f"no answer: the code {self._out_of_time()}")
        try:
            process = self._process_for(check, anew=not earlier)
            try:
                return self._asked(process, request)
            except (ProtocolError, TimeLimit) as problem:
                if not process.fragile or (
                    isinstance(problem, TimeLimit) and not isinstance(problem, Stalled)
                ):
                    raise
            # Perhaps the copy missed a thread. The process that has them answers in its place.
            self._copies_work = False
            self.end_session()
            process = self._process_for(check)
            for each in earlier:
                self._asked(process, each)
            return self._asked(process, request)
        except (ProtocolError, TimeLimit) as problem:
            reason = self._how_it_ended(problem)
            self.end_session()
            raise NoAnswer(f"no answer: the code {reason}") from None

    def leave(self, check: NotebookNode) -> None:
        """Let the check's process go. What it left behind, a bomb's threads perhaps, must not fall on the next check."""
        process = self._processes.pop(check.id, None)
        if process:
            process.channel.close()
        use = self.clock.look()
        if (process and process.whole) or (use and use.ended):
            self.end_session()

    def end_session(self) -> str | None:
        """End the session and all its copies. Returns why the keeper had ended it before, or None."""
        for channel in (self._session, *(process.channel for process in self._processes.values())):
            if channel:
                channel.close()
        self._processes.clear()
        if self._session is None:
            return None
        self._session = None
        use = self.sandbox.end_session()
        self.clock.stop(use)
        return use.ended

    # Cells

    def _run(self, end: int, first_time: bool) -> None:
        """Run the steps up to one of that number, in the session if it has not passed it, else in a new one."""
        while True:
            if self._session is None or self._next > end:
                self._open_session()
            try:
                broken = self._run_steps(end, first_time)
            except _NoCopy:
                self._copies_work = False
                self.end_session()
                continue
            if broken is None:
                return
            cell, place, problem = broken
            if not first_time and self.clock.left_of_all <= 0:  # no fault of this cell's
                self.end_session()
                raise NoAnswer(f"no answer: the code {self._out_of_time()}")
            how = self._how_it_ended(problem)
            self.end_session()
            self._leave_out(cell, place, how, first_time)

    def _run_steps(self, end: int, first_time: bool) -> tuple | None:
        """Returns (cell, place in it, exception) for the first cell that broke the session, or None."""
        while self._next < end:
            cell = self.steps[self._next]
            if is_check(cell):
                if first_time:
                    self._fork_copy(cell)
            elif self._is_to_run(cell):
                place: list[tuple[int, int]] = []
                try:
                    self._run_cell(cell, place, first_time)
                except (ProtocolError, TimeLimit) as problem:
                    return cell, place[0] if place else None, problem
            self._next += 1
        return None

    def _is_to_run(self, cell: NotebookNode) -> bool:
        added = cell.id.startswith("added-")
        return cell.id not in self._dropped and not (added and self._left_out > MAX_LEFT_OUT)

    def _run_cell(self, cell: NotebookNode, place: list, first_time: bool) -> None:
        """Run a cell; keep in `place` which statement it is at."""
        request = {"op": "run", "source": cell.source, "skip": self._skip.get(cell.id, [])}
        request["definitions_only"] = self._definitions_only
        self._session.send(request, watch=self._watch_cell(first_time))
        for _ in range(MAX_PLACES):
            self.clock.look_if_due()
            reply = self._session.receive(self._watch_cell(first_time))
            if is_place(reply):
                place[:] = [reply["at"]]
            elif is_run_reply(reply):
                if first_time:
                    self.faults.record(cell.id, reply["errors"])
                    self._note_replaced(reply["replaced"])
                return
            else:
                break
        raise ProtocolError("a malformed message")

    def _watch_cell(self, first_time: bool):
        left = self.clock.left if first_time else self.clock.left_of_all
        if self._left_out:
            left /= 2  # what breaks one session after another gets less and less
        self._limit = max(LEAST_SECONDS, min(self.settings.answer_timeout, left))
        return self.clock.watch(self._limit)

    def _leave_out(
        self, cell: NotebookNode, place: tuple[int, int] | None, how: str, first_time: bool
    ) -> None:
        self._left_out += 1
        number, line = place or (None, 1)
        if number is None or number in self._skip.get(cell.id, []) or self._left_out > MAX_LEFT_OUT:
            self._dropped.add(cell.id)
        else:
            self._skip.setdefault(cell.id, []).append(number)
        self.faults.leave_out(cell.id, line, how)
        if self._left_out <= MAX_LEFT_OUT:
            self.notes.append(f"cell `{cell.id}`, line {line}, {how}, and was left out")
        elif self._left_out == MAX_LEFT_OUT + 1:
            self.notes.append("too many statements broke the session; the student's other cells were not run")
        if first_time and self.clock.left <= 0 and not self._definitions_only:
            self._definitions_only = True
            self.notes.append(
                f"the cells took more than {self.settings.timeout / 2:g} seconds; they were run again with imports, "
                "definitions and constants only"
            )

    def _note_replaced(self, names: list[str]) -> None:
        for name in names:
            note = f"a cell replaces IPython's own `{name}`, which has no effect on grading"
            if note not in self.notes:
                self.notes.append(note)

    # Processes

    def _process_for(self, check: NotebookNode, anew: bool = True) -> _Process:
        """A process in the state in which the lesson reaches this check: a waiting copy, or else a new session.

        Args:
            check: the check's cell.
            anew: make one if it is gone; it may have died of what another check's process did.
        """
        process = self._processes.get(check.id)
        if process and anew and process.channel.is_closed():
            self._processes.pop(check.id).channel.close()
            process = None
        if process is None:
            since = self.clock.used
            self._run([step.id for step in self.steps].index(check.id), first_time=False)
            with contextlib.suppress(_NoCopy):
                self._fork_copy(check)
            if check.id not in self._processes:
                self._next = len(self.steps) + 1  # it can't go on to another check
                self._processes[check.id] = _Process(self._session, whole=True)
            self.clock.extend(since)
        return self._processes[check.id]

    def _fork_copy(self, check: NotebookNode) -> None:
        """Have the session fork a copy of itself for this check, if it can.

        Raises:
            _NoCopy: it broke, or waits for a lock that a thread holds.
        """
        use = self.clock.look()
        threads = use is not None and use.threads > 1
        if not self._copies_work or (threads and self.settings.device == "cuda"):
            return
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as on_trouble:
            on_trouble.callback(ours.close)
            watch = self.clock.watch(self.settings.answer_timeout, fragile=threads)
            try:
                with theirs:
                    self._session.send({"op": "fork"}, (theirs.fileno(),), watch)
                answer = self._session.receive(watch)
            except (ProtocolError, TimeLimit):
                raise _NoCopy from None
            if not (isinstance(answer, dict) and answer.get("forked") is True):
                raise _NoCopy
            self._processes[check.id] = _Process(Channel(ours), fragile=threads)
            on_trouble.pop_all()

    def _asked(self, process: _Process, request: dict) -> object:
        self._limit = min(self.settings.answer_timeout, max(self.clock.left, 0.1))
        watch = self.clock.watch(self._limit, process.fragile)
        process.channel.send(request, watch=watch)
        return process.channel.receive(watch)

    def _open_session(self) -> None:
        self.end_session()
        self._session = self.sandbox.open_session(math.ceil(2 * self.settings.timeout))
        self._next = 0
        self.clock.start()

    def _how_it_ended(self, problem: Exception) -> str:
        """Why a session broke, in words. Exit codes are left out: student code chooses them."""
        if isinstance(problem, TimeLimit):
            if self._limit < self.settings.answer_timeout:
                return self._out_of_time()
            return f"did not end within {self._limit:g} seconds"
        reason = self.end_session()
        if reason:
            return reason
        text = str(problem)
        return f"sent {text}" if "message" in text else "ended its own process"

    def _out_of_time(self) -> str:
        return f"used up its share of the {self.settings.timeout:g} seconds for a submission"


class _NoCopy(Exception):
    """A session could not be forked."""


def _is_step(cell: NotebookNode) -> bool:
    """Whether grading runs this cell or stops at it for a check."""
    return cell.cell_type == "code" and SKIP_TAG not in cell.metadata.get("tags", [])
