"""An exercise is a list of cases; checking an answer runs them and reports."""

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from .listening import Listening
from .mistake import Mistake
from .naming import unread
from .repeating import call_as_code
from .report import CaseResult, Report, present
from .subject import LocalSubject, Subject
from .surroundings import no_logs
from .values import plain

PUBLIC_SEED = "public"
CHECKED: dict[str, Report] = {}
"""Name of an exercise -> its last report in this session, in the order in which they were first checked."""


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
        subject = Listening(subject_for(_case_seed(seed, self.name, case.title, "subject")))
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


def lesson_device() -> str:
    """Where checks put tensors: what the grader says, else CUDA where there is one, else the CPU."""
    return os.environ.get("REWARD_LAB_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")


def _case_seed(seed: str, *names: str) -> int:
    """63 bits that depend on every part, so that no two cases share their inputs."""
    digest = hashlib.sha256("\0".join((seed, *names)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
