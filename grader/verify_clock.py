"""How long a student's code took, told so that a busy machine does not count against it."""

import time

from .protocol import POLL_SECONDS, TimeLimit, Watch
from .sandbox import Sandbox, Use

BACKSTOP = 10
"""Times a limit that may pass on the wall clock before it ends what is neither computing nor quite asleep."""
STALL_SECONDS = 3
"""Asleep for so long, a copy of a process that had threads may be waiting for one of them."""
_IDLE = 0.1
"""A process that computed for less than this part of a while, and is not waiting to, slept."""


class Stalled(TimeLimit):
    """A process that may have lost its threads sleeps."""


class Clock:
    """Adds up what the sessions of one submission compute, and what they sleep while they are asked.

    Args:
        sandbox: whose sessions these are.
        seconds: what they may take, one half of it for the cells. What follows a broken session may take as long again.
    """

    def __init__(self, sandbox: Sandbox, seconds: float):
        self._sandbox, self._seconds = sandbox, seconds
        self._before = self._cpu = self._asleep = 0.0
        self._running = False
        self._looked = time.monotonic()
        self._wall_end = self._looked + 2 * BACKSTOP * seconds
        self._end_of_share = seconds

    @property
    def used(self) -> float:
        """Seconds so far, as of the last look."""
        return self._before + self._cpu + self._asleep

    @property
    def left(self) -> float:
        """Seconds that are left of the present share."""
        return self._end_of_share - self.used if time.monotonic() < self._wall_end else 0.0

    @property
    def left_of_all(self) -> float:
        """Seconds that are left if everything has to run again."""
        return 2 * self._seconds - self.used if time.monotonic() < self._wall_end else 0.0

    def share(self, parts: int) -> None:
        """Let what comes next use one of so many equal parts of the time left, so that nothing uses up what others need."""
        self.look()
        # Something is left for every check, whatever the cells took.
        self._end_of_share = self.used + max((self._seconds - self.used) / parts, self._seconds / 20)

    def extend(self, since: float) -> None:
        """Do not count what was used since then against the present share."""
        self.look()
        self._end_of_share += self.used - since

    def start(self) -> None:
        """A session has started."""
        self._running = True

    def stop(self, use: Use) -> None:
        """The session has ended."""
        self._before += max(use.cpu, self._cpu)
        self._cpu, self._running = 0.0, False

    def look(self) -> Use | None:
        """Ask what the session uses, if there is one."""
        self._looked = time.monotonic()
        if not self._running:
            return None
        use = self._sandbox.look()
        self._cpu = max(use.cpu, self._cpu)
        return use

    def look_if_due(self) -> None:
        """Look, unless that was done a moment ago: many short requests add up too."""
        if time.monotonic() - self._looked > POLL_SECONDS:
            self.look()

    def watch(self, limit: float, fragile: bool = False) -> Watch:
        """What gives up one request after so many seconds.

        Args:
            limit: seconds of computing, or of sleep.
            fragile: give up sooner, with Stalled, if it sleeps.
        """
        start = last = time.monotonic()
        base: float | None = None
        asleep = 0.0

        def look() -> None:
            nonlocal base, last, asleep
            before, now = self._cpu, time.monotonic()
            use = self.look()
            passed, computed = now - last, self._cpu - before
            last = now
            if use is not None and not use.awake and computed < _IDLE * passed:
                self._asleep += passed
                asleep += passed
            if base is None:  # what was computed before this request is not its own
                base = self.used - min(max(computed, asleep), passed)
            if fragile and asleep >= STALL_SECONDS:
                raise Stalled
            if self.used - base >= limit or now - start >= BACKSTOP * limit:
                raise TimeLimit

        return look
