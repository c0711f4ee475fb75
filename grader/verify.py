"""Ask a worker, judge its replies. Runs no student code.

A submission is graded in three steps:
  1. its cells run in a session, in the student's order; where a check stands, the session forks a copy
     of itself, which waits. A cell that kills or hangs its process is left out, and the rest runs again;
  2. each copy answers its check, on inputs drawn from the secret seed;
  3. what failed is asked again on public inputs, in a new session, which has never met the hidden ones:
     the student is shown only what that session said.
"""

from .intake import Submission
from .sandbox import Sandbox
from .settings import Settings
from .verify_grading import Grading, Outcome


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
            return Grading(self.sandbox(), submission, self.settings).outcome()
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
