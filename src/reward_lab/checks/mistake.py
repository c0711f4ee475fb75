"""What a case says of an answer that is wrong."""

import builtins


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
