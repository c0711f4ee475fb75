"""Ask a worker, judge its replies. Runs no student code.

A submission is graded in three steps:
  1. its cells run in a session, in the student's order; where a check stands, the session forks a copy
     of itself, which waits. A cell that kills or hangs its process is left out, and the rest runs again;
  2. each copy answers its check, on inputs drawn from the secret seed;
  3. what failed is asked again on public inputs, in a new session, which has never met the hidden ones:
     the student is shown only what that session said.
"""

import ast
import importlib
import math
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from nbformat import NotebookNode

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.report import CaseResult, Report
from reward_lab.checks.subject import Failure, Reply

from .intake import SKIP_TAG, Submission, defined_names, is_answer, is_check, parse_cell
from .protocol import Channel, ProtocolError, TimeLimit
from .sandbox import Sandbox
from .settings import Settings
from .verdict import CheckVerdict, Verdict

UNSAFE = "graded without a sandbox (--unsafe): submissions could read and change anything that this user can"


@dataclass
class Outcome:
    """What grading one submission came to.

    Fields: `verdict`; `reports`, the report of each check by the id of its cell; `errors`, what a cell
    raised, as (type, message, traceback), by the id of the cell.
    """

    verdict: Verdict
    reports: dict[str, Report] = field(default_factory=dict)
    errors: dict[str, tuple[str, str, str]] = field(default_factory=dict)


class Worker:
    """A sandbox that is started when it is needed, and again after it broke. Grades one submission at a time.

    It keeps no state between submissions. Close it after use; it is a context manager.
    """

    def __init__(self, settings: Settings):
        self.settings = settings
        self._sandbox: Sandbox | None = None

    def sandbox(self) -> Sandbox:
        """The sandbox, started."""
        if self._sandbox is None:
            self._sandbox = Sandbox(self.settings.device, self.settings.unsafe)
        return self._sandbox

    def grade(self, submission: Submission) -> Outcome:
        """Grade one submission.

        Raises:
            SandboxError: no sandbox is to be had.
        """
        try:
            return _Grading(self.sandbox(), submission, self.settings).outcome()
        except BaseException:
            self.close()  # whatever it was, the next submission finds a new sandbox
            raise

    def close(self) -> None:
        if self._sandbox:
            self._sandbox.close()
        self._sandbox = None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def exercise_of(check: NotebookNode, lesson: str) -> Exercise:
    """The exercise that a check cell of a lesson asks for: check.NAME in reward_lab.lessons.lessonNN."""
    module = importlib.import_module(f"reward_lab.lessons.lesson{lesson[:2]}.checks")
    return getattr(module, check.id.removeprefix("check_"))


class _Grading:
    """Grading of one submission, within its time."""

    def __init__(self, sandbox: Sandbox, submission: Submission, settings: Settings):
        self.sandbox, self.submission, self.settings = sandbox, submission, settings
        self.steps = [cell for cell in submission.notebook.cells if _is_step(cell)]
        self.checks = [cell for cell in self.steps if is_check(cell)]
        self.exercises = {cell.id: exercise_of(cell, submission.lesson) for cell in self.checks}
        self.end = self.end_of_share = time.monotonic() + settings.timeout
        self.notes = [*submission.notes, *([UNSAFE] if settings.unsafe else [])]
        self.dropped: set[str] = set()
        self.errors: dict[str, tuple[str, str, str]] = {}
        self.session: Channel | None = None
        self.copies: dict[str, Channel] = {}

    def outcome(self) -> Outcome:
        shortcuts = {cell.id: note for cell in self.checks if (note := self._shortcut(cell))}
        self._share_time(2)  # one half for the cells, one for the checks
        self._run_all_cells(record=True)
        results: dict[str, tuple[CaseResult, ...]] = {}
        for number, check in enumerate(self.checks):
            self._share_time(len(self.checks) - number)
            subjects = _Subjects(self, check)
            results[check.id] = self.exercises[check.id].run(subjects, self.settings.seed)
            self._leave(check)
        self._end_session()
        reports = {}
        for number, check in enumerate(self.checks):
            self._share_time(len(self.checks) - number)
            subjects = _Subjects(self, check)
            reports[check.id] = self.exercises[check.id].explained(results[check.id], subjects)
            self._leave(check)
        self._end_session()
        verdict = Verdict(file="", lesson=self.submission.lesson, status="graded", notes=self.notes)
        for check in self.checks:
            report, points = reports[check.id], float(check.metadata.nbgrader.points)
            message, score = str(report), report.score
            if check.id in shortcuts:
                score, message = 0.0, f"{shortcuts[check.id]}\n{message}"
                self.notes.append(f"`{check.id}`: {shortcuts[check.id]}")
            verdict.checks.append(CheckVerdict(check.id, score, points, message))
        verdict.score = sum(check.score for check in verdict.checks)
        verdict.max_score = sum(check.max_score for check in verdict.checks)
        verdict.manual_max = float(
            sum(
                cell.metadata.nbgrader.points
                for cell in self.submission.notebook.cells
                if is_answer(cell) and cell.metadata.nbgrader.get("grade")
            )
        )
        return Outcome(verdict, reports, self.errors)

    def _shortcut(self, check: NotebookNode) -> str | None:
        """Whether the answer calls the package's own version of what it was to write. A nudge, no defence."""
        name = self.exercises[check.id].name
        if any(
            calls_the_packages_own(cell.source, name)
            for cell in self.steps
            if cell.id == name or name in defined_names(cell.source)
        ):
            return f"the answer uses the package's own {name}; write it yourself."
        return None

    # Sessions

    def _run_all_cells(self, record: bool, until: NotebookNode | None = None) -> Channel:
        """Run the cells in a new session, up to a check if one is given. Fork a copy for every check on the way.

        A cell that breaks its session is left out from then on, and the cells run again.
        """
        while True:
            channel = self._open_session()
            broken = self._run_cells(channel, record, until)
            if broken is None:
                return channel
            if not record and self._time_left() <= 0:  # no fault of this cell's
                self._end_session()
                raise _NoAnswer(f"no answer: the code {self._out_of_time()}")
            how = self._how_it_ended(broken[1])
            self.dropped.add(broken[0].id)
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
            elif cell.id not in self.dropped:
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
            self.copies[check.id] = Channel(ours)
        except (ProtocolError, TimeLimit):
            ours.close()  # the check then gets a session of its own

    def process_for(self, check: NotebookNode) -> Channel:
        """A process in the state in which the lesson reaches this check: a waiting copy, or else a new session.

        A copy can't be made of a process that has started threads, and is gone after an answer broke it.
        """
        if check.id not in self.copies:
            self.copies[check.id] = self._run_all_cells(record=False, until=check)
        return self.copies[check.id]

    def _leave(self, check: NotebookNode) -> None:
        """Let the check's process go. What it left behind, a bomb's threads perhaps, must not fall on the next check."""
        channel = self.copies.pop(check.id, None)
        if channel:
            channel.close()
        if self.session and self.sandbox.session_is_over():
            self._end_session()

    def ask_about(self, check: NotebookNode, request: dict) -> object:
        """Send a request to the check's process; on trouble, end the whole session and raise what happened.

        Raises:
            _NoAnswer: with a reason that tells nothing about the inputs.
        """
        if self._time_left() <= 0:
            raise _NoAnswer(f"no answer: the code {self._out_of_time()}")
        try:
            return self._ask(self.process_for(check), request)
        except (ProtocolError, TimeLimit) as problem:
            reason = self._how_it_ended(problem)
            self._end_session()
            raise _NoAnswer(f"no answer: the code {reason}") from None

    def _ask(self, channel: Channel, request: dict, descriptors: tuple[int, ...] = ()) -> object:
        deadline = time.monotonic() + min(self.settings.answer_timeout, max(self._time_left(), 0.1))
        channel.send(request, descriptors, deadline)
        return channel.receive(deadline)

    def _open_session(self) -> Channel:
        self._end_session()
        # Kept, though only the copies may be asked later: a session ends with its channel, and they with it.
        self.session = self.sandbox.open_session(math.ceil(self.settings.timeout))
        return self.session

    def _end_session(self) -> str | None:
        for channel in (self.session, *self.copies.values()):
            if channel:
                channel.close()
        if self.session is None:
            return None
        self.session = None
        self.copies.clear()
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

    def _share_time(self, parts: int) -> None:
        """Let what comes next use one of so many equal parts of the time left, so that nothing uses up what others need."""
        now = time.monotonic()
        self.end_of_share = now + (self.end - now) / parts

    def _time_left(self) -> float:
        return self.end_of_share - time.monotonic()

    def _out_of_time(self) -> str:
        return f"used up its share of the {self.settings.timeout:g} seconds for a submission"


class _NoAnswer(Exception):
    """The student's side gave no answer."""


class _Subjects:
    """Makes the Subjects of one check, all of them served by the same process."""

    def __init__(self, grading: _Grading, check: NotebookNode):
        self.grading, self.check = grading, check

    def __call__(self, seed: int) -> "RemoteSubject":
        return RemoteSubject(self.grading, self.check, seed)


class RemoteSubject:
    """The student's function or class in the worker's process; a `reward_lab.checks.subject.Subject`."""

    def __init__(self, grading: _Grading, check: NotebookNode, seed: int):
        self.device = "cpu"  # where its replies arrive
        self._grading, self._check = grading, check
        self._name = grading.exercises[check.id].name
        self._subject: tuple | None = (self._name, grading.settings.device, seed)

    def call(self, *arguments: object) -> Reply:
        return self._request("call", *arguments)

    def differentiate(self, *arguments: object) -> Reply:
        return self._request("differentiate", *arguments)

    def create(self, *arguments: object) -> Reply:
        return self._request("create", *arguments)

    def length(self, handle: int) -> Reply:
        return self._request("length", handle)

    def items(self, handle: int, indices: Sequence[int]) -> Reply:
        return self._request("items", handle, list(indices))

    def apply(self, handle: int, *arguments: object) -> Reply:
        return self._request("apply", handle, *arguments, own=1)

    def step(self, handle: int, learning_rate: float, weights: object, *arguments: object) -> Reply:
        return self._request("step", handle, learning_rate, weights, *arguments, own=3)

    def _request(self, op: str, *arguments: object, own: int = 0) -> Reply:
        """Ask; `own` of the arguments, the first ones, are the request's and not the answer's."""
        request = {"op": op, "arguments": arguments, "subject": self._subject}
        self._subject = None  # the process keeps it, for the rest of this case
        try:
            reply = self._grading.ask_about(self._check, request)
        except _NoAnswer as reason:
            return _failed(str(reason), arguments)
        if reply == {"missing": True}:
            return _failed(f"nothing is called `{self._name}`: its cell failed, or is missing", arguments)
        if not isinstance(reply, Reply) or len(reply.arguments) not in (0, len(arguments) - own):
            return _failed("no answer: the code sent something else", arguments)
        return reply


def _failed(message: str, arguments: tuple) -> Reply:
    return Reply(failure=Failure("NoAnswer", message, "", of_grader=True), arguments=arguments)


def _is_step(cell: NotebookNode) -> bool:
    """Whether grading runs this cell or stops at it for a check."""
    return cell.cell_type == "code" and SKIP_TAG not in cell.metadata.get("tags", [])


def _is_error(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(isinstance(part, str) for part in value)


def calls_the_packages_own(source: str, name: str) -> bool:
    """Whether code refers to `name` as something that is imported, or an attribute of something imported."""
    tree = parse_cell(source)
    if tree is None:
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "reward_lab":
            if any(alias.name == name for alias in node.names):
                return True
        elif isinstance(node, ast.Attribute) and node.attr == name:
            return not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    return False
