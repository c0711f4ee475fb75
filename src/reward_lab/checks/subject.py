"""How a check reaches the student's object: as a black box that answers calls."""

import os
import re
import sys
import traceback
from builtins import isinstance, len, list, tuple, type, zip  # noqa: UP029  (a student's code may replace them)
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from .probes import RECIPES, Probe
from .surroundings import quiet, seeded
from .values import plain

# In a notebook a cell has a made-up file name. Installed code lies under one of these.
_NOT_THE_STUDENTS = (os.path.dirname(os.path.dirname(__file__)), sys.prefix, sys.base_prefix)


@dataclass(frozen=True)
class Failure:
    """An exception in the student's code: its type, its message, and the student's own line.

    `of_grader` marks what the grader says in its place: no answer came, because the process ended or the time was up.
    """

    type_name: str
    message: str
    where: str
    of_grader: bool = False

    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}" + (f" ({self.where})" if self.where else "")


@dataclass(frozen=True)
class Reply:
    """What came of one request. All of it is plain data."""

    value: object = None
    """What was returned; None after a failure."""
    failure: Failure | None = None
    """The exception, if one was raised."""
    arguments: tuple = ()
    """The arguments as they stand after the call; for a probe, its state."""
    printed: str = ""
    """What the student's code printed."""


class Subject(Protocol):
    """The student's function or class. It may live in this process or in another one.

    Every request seeds torch, NumPy and random first, so an answer is a function of its inputs.
    Arguments are plain data or Probes; tensors arrive on the subject's device.
    """

    device: str

    def call(self, *arguments: object) -> Reply:
        """Call the function."""

    def differentiate(self, *arguments: object) -> Reply:
        """Call the function and go backward from its result, or from the sum of its entries.

        `value` is a tuple: the result, and a tuple with the gradient for each argument that requires one, in
        order (None for an argument that the result does not depend on). The second part is None where the
        result is no tensor that can be differentiated.
        """

    def create(self, *arguments: object) -> Reply:
        """Make an instance of the class and keep it; `value` is its handle."""

    def length(self, handle: int) -> Reply:
        """`len()` of an instance."""

    def items(self, handle: int, indices: Sequence[int]) -> Reply:
        """Several items of an instance, in this order; `value` is their list."""

    def apply(self, handle: int, *arguments: object) -> Reply:
        """Call an instance, a module, with these arguments."""

    def step(self, handle: int, learning_rate: float, weights: torch.Tensor, *arguments: object) -> Reply:
        """One step of plain gradient descent of a module on the sum of its outputs times `weights`.

        `value` is a dict of what stands after the step: `parameters`, those of the module by name, each with its
        `value`, its `gradient` (None if it has none) and whether it is `trainable`; and `built`, the states
        of the Probes among the arguments that it was created with, in order.
        """


class LocalSubject:
    """A Subject in this process: the student's kernel, or a worker's.

    Args:
        target: the function or class.
        device: where tensors are sent.
        seed: what the generators start from at every request.
    """

    def __init__(self, target: Callable, device: str = "cpu", seed: int = 0):
        self.target = target
        self.device = device
        self.seed = seed
        self._instances: list[object] = []
        self._created_with: list[list[tuple[Probe, object]]] = []

    def call(self, *arguments: object) -> Reply:
        built = self._build(arguments)
        return self._ask(lambda: self.target(*built), arguments, built)

    def differentiate(self, *arguments: object) -> Reply:
        built = self._build(arguments)

        def request() -> tuple:
            result = self.target(*built)
            leaves = [a for a in built if type(a) is torch.Tensor and a.requires_grad]
            if type(result) is not torch.Tensor or not result.requires_grad:
                return result, None
            return result.detach(), torch.autograd.grad(result.sum(), leaves, allow_unused=True)

        return self._ask(request, arguments, built)

    def create(self, *arguments: object) -> Reply:
        built = self._build(arguments)

        def make() -> int:
            instance = self.target(*built)
            # A module makes its own layers on the CPU; who uses one moves it, and so does a check.
            self._instances.append(
                instance.to(self.device) if isinstance(instance, torch.nn.Module) else instance
            )
            probes = [(a, b) for a, b in zip(arguments, built, strict=True) if isinstance(a, Probe)]
            self._created_with.append(probes)
            return len(self._instances) - 1

        return self._ask(make, arguments, built)

    def length(self, handle: int) -> Reply:
        return self._ask(lambda: len(self._instances[handle]))

    def items(self, handle: int, indices: Sequence[int]) -> Reply:
        instance = self._instances[handle]
        # Made plain one by one: an instance may hand out the same tensor again with other numbers in it.
        return self._ask(lambda: [plain(instance[index]) for index in indices], is_plain=True)

    def apply(self, handle: int, *arguments: object) -> Reply:
        built = self._build(arguments)
        return self._ask(lambda: self._instances[handle](*built), arguments, built)

    def step(self, handle: int, learning_rate: float, weights: torch.Tensor, *arguments: object) -> Reply:
        built = self._build(arguments)

        def request() -> dict:
            module = self._instances[handle]
            module.zero_grad()
            total = (module(*built) * weights.to(self.device)).sum()
            if total.requires_grad:  # else nothing gets a gradient, and the state says so
                total.backward()
            with torch.no_grad():
                for parameter in module.parameters():
                    if parameter.grad is not None:
                        parameter -= learning_rate * parameter.grad
            return {
                "parameters": {name: _parameter_state(p) for name, p in module.named_parameters()},
                "built": [RECIPES[probe.recipe][1](made) for probe, made in self._created_with[handle]],
            }

        return self._ask(request, arguments, built)

    def _build(self, arguments: Sequence[object]) -> list[object]:
        built: list[object] = []
        for argument in arguments:
            if isinstance(argument, Probe):
                built.append(RECIPES[argument.recipe][0](argument.data, built, self.device))
            else:
                built.append(_to_device(plain(argument), self.device))
        return built

    def _ask(
        self, request: Callable, arguments: Sequence = (), built: Sequence = (), is_plain: bool = False
    ) -> Reply:
        value = failure = None
        with seeded(self.seed, self.device), quiet() as printed:
            try:
                value = request() if is_plain else plain(request())
            except KeyboardInterrupt:
                raise  # the Stop button, or a grader's time limit
            except BaseException as error:  # SystemExit too: one answer must not end the whole check
                failure = _failure(error)
            # Still as it was left: a probe's state may look at what surrounds the call.
            after = tuple(
                RECIPES[a.recipe][1](b) if isinstance(a, Probe) else plain(b)
                for a, b in zip(arguments, built, strict=True)
            )
        return Reply(value, failure, after, printed.getvalue())


def _parameter_state(parameter: torch.nn.Parameter) -> dict:
    return {
        "value": parameter.detach(),
        "gradient": parameter.grad,
        "trainable": parameter.requires_grad,
    }


def _to_device(value: object, device: str) -> object:
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, (list, tuple)):
        return type(value)(_to_device(item, device) for item in value)
    if isinstance(value, dict):
        return {key: _to_device(item, device) for key, item in value.items()}
    return value


def _failure(error: BaseException) -> Failure:
    """The exception in plain words, with the last line of it that is the student's."""
    try:
        message = str(error)
    except Exception:
        message = "(its message can't be shown)"
    where = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if not frame.filename.startswith(_NOT_THE_STUDENTS):
            where = f"line {frame.lineno} of your code" + (f": {frame.line}" if frame.line else "")
    # An address differs from run to run, and tells nobody anything.
    message = re.sub(r"0x[0-9a-f]{6,}", "0x...", message[:500])
    return Failure(type(error).__name__, message, where)
