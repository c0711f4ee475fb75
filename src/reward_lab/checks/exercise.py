"""An exercise is a list of cases; checking an answer runs them and reports."""

import builtins
import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from .naming import unread
from .repeating import call_as_code
from .report import CaseResult, Report, present
from .subject import Failure, LocalSubject, Reply, Subject
from .surroundings import no_logs
from .values import plain, same

PUBLIC_SEED = "public"
CHECKED: dict[str, Report] = {}
"""Name of an exercise -> its last report in this session, in the order in which they were first checked."""


class Mistake(Exception):
    """Raised by a case: what was expected, what came, and the likely mistake if it is recognised.

    Fields: `expected` and `got` for the student to compare, `likely` a sentence or None. `not_yet` is
    true when the answer has not been written; `final` when the message would be the same on any inputs;
    `raised` the type of the exception that the answer ended with, or None.
    """

    def __init__(
        self,
        expected: str,
        got: str,
        likely: str | None = None,
        not_yet: bool = False,
        final: bool = False,
        raised: str | None = None,
    ):
        super().__init__(expected, got, likely)
        self.expected, self.got, self.likely, self.not_yet = expected, got, likely, not_yet
        self.final, self.raised = final, raised

    @property
    def name(self) -> str:
        """What this is called where a class's mistakes are counted, in none of the student's own words."""
        if self.likely or self.raised is None:
            return self.likely or ""
        known = getattr(builtins, self.raised, None)
        own = not (isinstance(known, type) and issubclass(known, BaseException))
        return "raises an exception of another library or its own" if own else f"raises {self.raised}"


CaseFunction = Callable[[Subject, torch.Generator], None]
SubjectMaker = Callable[[int], Subject]
NOT_SHOWN = "failed on the inputs drawn for grading; on public ones it passes"


@dataclass(frozen=True)
class Case:
    """One thing that an answer must do, worth `points`. `run` returns if it does, else raises Mistake."""

    title: str
    points: float
    run: CaseFunction


@dataclass
class Exercise:
    """A graded exercise.

    Fields: `name`, what the student defines; `first_step`, shown while nothing is written; `cases`; `withholds`, what of
    the packages is out of an answer's reach during grading beside everything called `name`, as "package.module.name";
    `uses`, other exercises of the lesson whose package's version an answer to this one may call all the same, and what
    of their `withholds` that version calls.
    Calling it with the student's object checks that object.
    """

    name: str
    first_step: str
    cases: list[Case] = field(default_factory=list)
    withholds: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()

    def case(self, title: str, points: float) -> Callable[[CaseFunction], CaseFunction]:
        """Decorator: add a function as a case."""

        def add(run: CaseFunction) -> CaseFunction:
            self.cases.append(Case(title, points, run))
            return run

        return add

    @property
    def max_score(self) -> float:
        return sum(case.points for case in self.cases)

    def __call__(self, target: Callable) -> object:
        """Check the student's object, and show the outcome in the way that suits where this runs."""
        seed = os.environ.get("REWARD_LAB_SEED", PUBLIC_SEED)
        report = self.report(lambda case_seed: LocalSubject(target, lesson_device(), case_seed), seed)
        CHECKED[self.name] = report
        return present(report)

    def report(self, subject_for: SubjectMaker, seed: str = PUBLIC_SEED) -> Report:
        """Run every case.

        Args:
            subject_for: makes a Subject whose generators start from the given seed.
            seed: what the inputs are drawn from.
        """
        return self.explained(self.run(subject_for, seed), subject_for)

    def run(self, subject_for: SubjectMaker, seed: str) -> tuple[CaseResult, ...]:
        """Run every case on inputs drawn from a seed.

        On another seed than the public one nothing in the results tells of the inputs: `explained` gives a
        failed case its message.
        """
        results = tuple(self._run(case, subject_for, seed) for case in self.cases)
        if seed == PUBLIC_SEED:
            return results
        hidden = {"message": NOT_SHOWN, "mistake": ""}
        return tuple(
            replace(result, printed="", **({} if result.passed or result.final else hidden))
            for result in results
        )

    def explained(self, results: tuple[CaseResult, ...], subject_for: SubjectMaker) -> Report:
        """The report on these results. A case that failed on hidden inputs is run again on public ones.

        Only that run's message is shown, so it can't give away what the hidden inputs were, provided that
        `subject_for` gives a subject that has not seen them.
        """
        shown = []
        for case, result in zip(self.cases, results, strict=True):
            if not result.passed and result.message == NOT_SHOWN:
                twin = self._run(case, subject_for, PUBLIC_SEED)
                if not twin.passed:
                    result = replace(twin, points=0.0)
            shown.append(result)
        return Report(self.name, self.first_step, tuple(shown))

    def _run(self, case: Case, subject_for: SubjectMaker, seed: str) -> CaseResult:
        result = CaseResult(case.title, 0.0, case.points, passed=False)
        # The subject's generators start elsewhere than the inputs': its side may be told its seed.
        subject = _Listening(subject_for(_case_seed(seed, self.name, case.title, "subject")))
        draw = torch.Generator().manual_seed(_case_seed(seed, self.name, case.title))
        try:
            # A message on hidden inputs is shown to nobody.
            with no_logs(), contextlib.nullcontext() if seed == PUBLIC_SEED else unread():
                case.run(subject, draw)
        except Mistake as mistake:
            message = f"expected {mistake.expected}; got {mistake.got}."
            if mistake.likely:
                message += f" {mistake.likely}"
            # On hidden inputs nothing is told of the call.
            told = seed == PUBLIC_SEED and not mistake.not_yet and not mistake.final
            again = ""
            if told and subject.called is not None:
                again = call_as_code(self.name, tuple(map(plain, subject.called)))
            return replace(
                result,
                message=message,
                not_yet=mistake.not_yet,
                final=mistake.final,
                printed=subject.printed,
                again=again,
                mistake="" if mistake.not_yet else mistake.name,
            )
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            # An answer can be wrong in a way that no case thought of. That costs the case, and no more.
            return replace(result, message=f"the answer can't be judged ({type(error).__name__}).")
        return replace(result, points=case.points, passed=True, printed=subject.printed)


class _Listening:
    """Passes requests on to a Subject. Turns its failures into Mistakes and keeps what it printed."""

    def __init__(self, subject: Subject):
        self._subject = subject
        self.device = subject.device
        self.printed = ""
        self.called: tuple | None = None  # the arguments of the last plain call

    def call(self, *arguments: object) -> Reply:
        self.called = arguments
        return self._unchanged(arguments, self._heard(self._subject.call(*arguments)))

    def differentiate(self, *arguments: object) -> Reply:
        self.called = None
        return self._unchanged(arguments, self._heard(self._subject.differentiate(*arguments)))

    def error(self, *arguments: object) -> Failure | None:
        """The exception that a call raises where the exercise asks for one, or None if it returns."""
        self.called = arguments
        reply = self._subject.call(*arguments)
        failure = reply.failure
        if failure is not None and (failure.of_grader or failure.type_name == "NotImplementedError"):
            self._heard(reply)  # raises
        self.printed += reply.printed[:2000]
        return failure

    def _unchanged(self, arguments: tuple, reply: Reply) -> Reply:
        for number, (before, after) in enumerate(zip(arguments, reply.arguments, strict=True), 1):
            # A probe's state is the case's own business: an optimizer step has to change the model.
            was = plain(before)
            if isinstance(was, type(after)) and not same(was, after):
                raise Mistake(
                    "the inputs to be left as they are",
                    f"argument {number} changed",
                    "Your code writes into one of its inputs. Work on a copy, or avoid in-place operations.",
                )
        return reply

    def create(self, *arguments: object) -> int:
        self.called = None
        return self._heard(self._subject.create(*arguments)).value

    def apply(self, handle: int, *arguments: object) -> Reply:
        self.called = None
        return self._unchanged(arguments, self._heard(self._subject.apply(handle, *arguments)))

    def step(self, handle: int, learning_rate: float, weights: torch.Tensor, *arguments: object) -> dict:
        reply = self._heard(self._subject.step(handle, learning_rate, weights, *arguments))
        return self._unchanged(arguments, reply).value

    def length(self, handle: int) -> object:
        return self._heard(self._subject.length(handle)).value

    def items(self, handle: int, indices: object) -> list:
        return self._heard(self._subject.items(handle, indices)).value

    def _heard(self, reply: Reply) -> Reply:
        self.printed += reply.printed[:2000]
        if reply.failure is None:
            return reply
        if reply.failure.type_name == "NotImplementedError":
            raise Mistake("your answer", "the empty exercise", not_yet=True, final=True)
        if reply.failure.of_grader:
            raise Mistake("an answer", reply.failure.message, final=True)
        raise Mistake("no exception", str(reply.failure), raised=reply.failure.type_name)


def lesson_device() -> str:
    """Where checks put tensors: what the grader says, else CUDA where there is one, else the CPU."""
    return os.environ.get("REWARD_LAB_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")


def _case_seed(seed: str, *names: str) -> int:
    """63 bits that depend on every part, so that no two cases share their inputs."""
    digest = hashlib.sha256("\0".join((seed, *names)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
