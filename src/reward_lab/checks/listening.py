"""A subject as a case holds it: what goes wrong there becomes a Mistake."""

import torch

from .mistake import Mistake
from .subject import Failure, Reply, Subject
from .values import plain, same


class Listening:
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
