"""Ask a worker, judge its replies. Runs no student code.

A submission is graded in three steps:
  1. its cells run in a session, in the student's order; where a check stands, the session forks a copy
     of itself, which waits. A cell that kills or hangs its process is left out, and the rest runs again;
  2. each copy answers its check, on inputs drawn from the secret seed;
  3. what failed is asked again on public inputs, in a new session, which has never met the hidden ones:
     the student is shown only what that session said.
"""

import traceback
from pathlib import Path

from .host import SandboxError
from .intake import Submission
from .sandbox import Sandbox
from .settings import Settings
from .verdict import Outcome, Verdict
from .verify_grading import Grading


class Worker:
    """A sandbox that is started when it is needed, and again after it broke. Grades one submission at a time.

    It keeps no state between submissions. Close it after use; it is a context manager.
    """

    def __init__(self, settings: Settings):
        self.settings = settings
        self._sandbox: Sandbox | None = None

    def sandbox(self, lesson: str) -> Sandbox:
        """The sandbox for submissions of a lesson, started. That of another lesson ends: it has that lesson's answers.

        Raises:
            ProjectError: the lesson has no checks.
        """
        if self._sandbox is not None and self._sandbox.lesson != lesson:
            self.close()
        if self._sandbox is None:
            told = self.settings
            self._sandbox = Sandbox(lesson, told.device, told.unsafe, told.project)
        return self._sandbox

    def grade(self, submission: Submission) -> Outcome:
        """Grade one submission.

        Raises:
            SandboxError: no sandbox is to be had.
        """
        try:
            return Grading(self.sandbox(submission.lesson), submission, self.settings).outcome()
        except SandboxError:
            self.close()
            raise
        except Exception as error:
            self.close()  # whatever it was, the next submission finds a new sandbox
            return Outcome(_not_graded(submission, error))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._sandbox:
            self._sandbox.close()
        self._sandbox = None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _not_graded(submission: Submission, error: Exception) -> Verdict:
    """An error of the grader itself costs one submission its grade, which is not a grade of 0, and never the class."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}"
    problem = (
        f"The grader itself failed on this file ({place}). Report it; nothing is wrong with the file's form."
    )
    return Verdict(file="", lesson=submission.lesson, problem=problem, notes=list(submission.notes))
