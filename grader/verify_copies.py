"""Copies of a session: each answers one check, and none meets what another left behind."""

import contextlib
import socket
from dataclasses import dataclass

from .codec import ProtocolError
from .protocol import Channel, TimeLimit
from .settings import Settings
from .verify_clock import Clock


class NoCopy(Exception):
    """A session could not be forked."""


@dataclass
class Process:
    """What answers a check: a copy of a session, or the session itself.

    Fields: `channel`; `fragile`, whether it is a copy of a process that had threads; `whole`, whether it is the session;
    `asked`, whether anything was asked of it.
    """

    channel: Channel
    fragile: bool = False
    whole: bool = False
    asked: bool = False


class Copies:
    """Makes copies of sessions. Field: `work`, false once a copy has turned out to lack a thread it needs."""

    def __init__(self, clock: Clock, settings: Settings):
        self.clock, self.settings, self.work = clock, settings, True

    def fork(self, session: Channel) -> Process | None:
        """Have a session fork a copy of itself; None where copies don't work.

        Raises:
            NoCopy: it broke, or waits for a lock that a thread holds.
        """
        use = self.clock.look()
        threads = use is not None and use.threads > 1
        if not self.work or (threads and self.settings.device == "cuda"):
            return None
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as on_trouble:
            on_trouble.callback(ours.close)
            watch = self.clock.watch(self.settings.answer_timeout, fragile=threads)
            try:
                with theirs:
                    session.send({"op": "fork"}, (theirs.fileno(),), watch)
                answer = session.receive(watch)
            except (ProtocolError, TimeLimit):
                raise NoCopy from None
            if not (isinstance(answer, dict) and answer.get("forked") is True):
                raise NoCopy
            on_trouble.pop_all()
            return Process(Channel(ours), fragile=threads)
