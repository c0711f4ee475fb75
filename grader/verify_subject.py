"""The student's object, in the worker's process, as a check holds it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from reward_lab.checks.subject import Failure, Reply

from .verify_faults import Faults


class NoAnswer(Exception):
    """The student's side gave no answer. The message says why and tells nothing about the inputs."""


class RemoteSubject:
    """The student's function or class in the worker's process; a `reward_lab.checks.subject.Subject`.

    Args:
        ask: sends a request to the check's process and returns the reply, or raises NoAnswer. It is told
            what was asked before in the same case.
        faults: what failed in the cells, for the reason why something is missing.
        name: what the student defines.
        device: where the answer runs.
        seed: what the generators start from at every request.
    """

    def __init__(
        self, ask: Callable[[dict, list[dict]], object], faults: Faults, name: str, device: str, seed: int
    ):
        self.device = "cpu"  # where its replies arrive
        self._ask, self._faults, self._name = ask, faults, name
        self._earlier: list[dict] = []
        self._subject: tuple | None = (name, device, seed)

    def call(self, *arguments: object) -> Reply:
        return self._request("call", *arguments)

    def differentiate(self, *arguments: object) -> Reply:
        return self._request("differentiate", *arguments)

    def create(self, *arguments: object) -> Reply:
        return self._request("create", *arguments)

    def length(self, handle: int) -> Reply:
        return self._request("length", handle, own=1)

    def items(self, handle: int, indices: Sequence[int]) -> Reply:
        return self._request("items", handle, list(indices), own=2)

    def apply(self, handle: int, *arguments: object) -> Reply:
        return self._request("apply", handle, *arguments, own=1)

    def step(self, handle: int, learning_rate: float, weights: object, *arguments: object) -> Reply:
        return self._request("step", handle, learning_rate, weights, *arguments, own=3)

    def _request(self, op: str, *arguments: object, own: int = 0) -> Reply:
        """Ask; `own` of the arguments, the first ones, are the request's and not the answer's."""
        request = {"op": op, "arguments": arguments, "subject": self._subject}
        self._subject = None  # the process keeps it, for the rest of this case
        try:
            reply = self._ask(request, self._earlier)
        except NoAnswer as reason:
            return _failed(str(reason), arguments)
        self._earlier.append(request)
        if isinstance(reply, dict) and reply.keys() == {"missing"}:
            why = self._faults.why_missing(self._name)
            return _failed(f"nothing is called `{self._name}`: {why}", arguments)
        # What raised may have broken before there were arguments to tell of.
        told = isinstance(reply, Reply) and (
            len(reply.arguments) == len(arguments) - own or (reply.failure and not reply.arguments)
        )
        if not told:
            return _failed("no answer: the code sent something else", arguments)
        if reply.failure and reply.failure.type_name in ("NameError", "UnboundLocalError"):
            why = self._faults.why_not_defined(reply.failure.message)
            reply = replace(reply, failure=replace(reply.failure, message=reply.failure.message + why))
        return reply


def _failed(message: str, arguments: tuple) -> Reply:
    return Reply(failure=Failure("NoAnswer", message, "", of_grader=True), arguments=arguments)
