"""The sessions of one submission: its cells run, a copy of the session waits at each check, all within its time."""

import contextlib
import math
from collections.abc import Sequence

from nbformat import NotebookNode

from .cells import is_check
from .codec import ProtocolError
from .intake import Submission
from .intake_cells import SKIP_TAG
from .protocol import Channel, TimeLimit
from .sandbox import Sandbox
from .settings import Settings
from .verify_clock import Clock, Stalled
from .verify_copies import Copies, NoCopy, Process
from .verify_faults import Faults, is_place, is_run_reply
from .verify_left_out import LeftOut
from .verify_subject import NoAnswer

LEAST_SECONDS = 0.5
"""What a statement gets though the time is used up."""
MAX_PLACES = 1000
"""How often a worker may say that a cell goes on."""


class Sessions:
    """Runs the cells of one submission and asks its answers.

    Fields: `clock`; `faults`, what failed in the cells; `notes`, what else is to be told; `given`, by the id of a check's
    cell what its answer may use of the packages, each with `module`, `name` and `source`.
    """

    def __init__(self, sandbox: Sandbox, submission: Submission, settings: Settings):
        self.given: dict[str, list[dict]] = {}
        self.sandbox, self.settings = sandbox, settings
        self.steps = [cell for cell in submission.notebook.cells if _is_step(cell)]
        self.checks = [cell for cell in self.steps if is_check(cell)]
        self.clock = Clock(sandbox, settings.timeout)
        self.faults = Faults(self.steps, getattr(submission, "python", None))
        self.notes: list[str] = []
        self._left_out = LeftOut(self.faults, self.notes, settings.timeout)
        self._limit = 0.0
        self._copies = Copies(self.clock, settings)
        self._session: Channel | None = None
        self._next = 0  # the step that the session reaches next
        self._processes: dict[str, Process] = {}

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
                return self._asked(check, process, request)
            except (ProtocolError, TimeLimit) as problem:
                if not process.fragile or (
                    isinstance(problem, TimeLimit) and not isinstance(problem, Stalled)
                ):
                    raise
            # Perhaps the copy missed a thread. The process that has them answers in its place.
            self._copies.work = False
            self.end_session()
            process = self._process_for(check)
            for each in earlier:
                self._asked(check, process, each)
            return self._asked(check, process, request)
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
            except NoCopy:
                self._copies.work = False
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
            self._left_out.add(cell, place, how, out_of_time=first_time and self.clock.left <= 0)

    def _run_steps(self, end: int, first_time: bool) -> tuple | None:
        """Returns (cell, place in it, exception) for the first cell that broke the session, or None."""
        while self._next < end:
            cell = self.steps[self._next]
            if is_check(cell):
                if first_time:
                    self._fork_copy(cell)
            elif self._left_out.is_to_run(cell):
                place: list[tuple[int, int]] = []
                try:
                    self._run_cell(cell, place, first_time)
                except (ProtocolError, TimeLimit) as problem:
                    return cell, place[0] if place else None, problem
            self._next += 1
        return None

    def _run_cell(self, cell: NotebookNode, place: list, first_time: bool) -> None:
        """Run a cell; keep in `place` which statement it is at."""
        self._session.send(self._left_out.request(cell), watch=self._watch_cell(first_time))
        for _ in range(MAX_PLACES):
            self.clock.look_if_due()
            reply = self._session.receive(self._watch_cell(first_time))
            if is_place(reply):
                place[:] = [reply["at"]]
            elif is_run_reply(reply):
                if first_time:
                    self.faults.record(cell.id, reply["errors"])
                    self._left_out.note_replaced(reply["replaced"])
                return
            else:
                break
        raise ProtocolError("a malformed message")

    def _watch_cell(self, first_time: bool):
        left = self.clock.left if first_time else self.clock.left_of_all
        if self._left_out.count:
            left /= 2  # what breaks one session after another gets less and less
        self._limit = max(LEAST_SECONDS, min(self.settings.answer_timeout, left))
        return self.clock.watch(self._limit)

    # Processes

    def _process_for(self, check: NotebookNode, anew: bool = True) -> Process:
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
            with contextlib.suppress(NoCopy):
                self._fork_copy(check)
            if check.id not in self._processes:
                self._next = len(self.steps) + 1  # it can't go on to another check
                self._processes[check.id] = Process(self._session, whole=True)
            self.clock.extend(since)
        return self._processes[check.id]

    def _fork_copy(self, check: NotebookNode) -> None:
        copy = self._copies.fork(self._session)
        if copy:
            self._processes[check.id] = copy

    def _asked(self, check: NotebookNode, process: Process, request: dict) -> object:
        """The reply to a request. What the answer may use is given to its process before the first one."""
        if not process.asked:
            process.asked = True
            for each in self.given.get(check.id, ()):
                self._reply_to(process, {"op": "give", **each})
        return self._reply_to(process, request)

    def _reply_to(self, process: Process, request: dict) -> object:
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


def _is_step(cell: NotebookNode) -> bool:
    """Whether grading runs this cell or stops at it for a check."""
    return cell.cell_type == "code" and SKIP_TAG not in cell.metadata.get("tags", [])
