"""What the two runs of a lesson compute alike is computed once.

A lesson is executed with its answers, and as handed out. Most of the time goes into experiments that get the same
arguments in both. While tests run a lesson, each function of its `experiments.py` that is a function of its arguments
leaves its result, and what it printed, in a folder; the second run finds it there.
"""

import contextlib
import functools
import hashlib
import importlib
import inspect
import io
import pickle
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import cloudpickle
import numpy as np
import torch

WORTH_KEEPING = 0.1
"""Seconds of CPU time: what takes less is computed again."""

LOOPS = dict.fromkeys(("06", "07"), ("reward_lab.rlhf.train_ppo", "reward_lab.rlhf.train_reinforce"))
"""Lesson -> functions of the package that it calls itself, and that take long."""


def remember(lesson: str, folder: str) -> None:
    """Let the experiments of a lesson, in this process, keep their results in a folder and take them from there.

    Args:
        lesson: its number, as `04`.
        folder: of one run of the tests, so that the code is the same.
    """
    try:
        module = importlib.import_module(f"reward_lab.lessons.lesson{lesson}.experiments")
    except ModuleNotFoundError:
        return  # a lesson whose cells compute everything
    for name, function in list(vars(module).items()):
        if inspect.isfunction(function) and function.__module__ == module.__name__ and name[0] != "_":
            setattr(module, name, remembered(function, Path(folder)))
    for path in LOOPS.get(lesson, ()):
        place, _, name = path.rpartition(".")
        module = importlib.import_module(place)
        setattr(module, name, remembered(getattr(module, name), Path(folder)))


def remembered(function: Callable, folder: Path) -> Callable:
    """The function, which looks for its result in a folder before it computes it.

    Kept is only what is a function of the arguments: they are as they were after the call, and no global generator
    has moved.
    """

    @functools.wraps(function)
    def call(*args, **kwargs):
        asked = (function.__qualname__, args, kwargs)
        key = _key(asked)
        if key is None:
            return function(*args, **kwargs)
        kept = folder / f"{function.__name__}-{key[:24]}.pickle"
        if kept.exists():
            result, said = pickle.loads(kept.read_bytes())
            print(said, end="", flush=True)
            return result
        before, said, start = _generators(), _Tee(sys.stdout), time.process_time()
        with contextlib.redirect_stdout(said):
            result = function(*args, **kwargs)
        if time.process_time() - start > WORTH_KEEPING and _generators() == before and _key(asked) == key:
            with contextlib.suppress(Exception):  # what can't be pickled is computed again
                kept.write_bytes(cloudpickle.dumps((result, said.getvalue())))
        return result

    return call


def _key(value) -> str | None:
    """Equal values have equal keys, in every process; None for what can't be pickled."""
    written = io.BytesIO()
    try:
        _ByValue(written).dump(value)
    except Exception:
        return None
    return hashlib.sha256(written.getvalue()).hexdigest()


class _ByValue(cloudpickle.Pickler):
    """Pickles a tensor as its values, where torch writes addresses too; and code without the name of its cell's file,
    which is another one in each kernel."""

    def reducer_override(self, value):
        if isinstance(value, torch.Tensor):
            found = value.detach().cpu().contiguous()
            return tuple, (
                (str(value.dtype), tuple(value.shape), value.requires_grad, found.numpy().tobytes()),
            )
        if isinstance(value, torch.Generator):
            return tuple, ((value.get_state().numpy().tobytes(),),)
        if isinstance(value, types.CodeType) and value.co_filename:
            return _same, (value.replace(co_filename=""),)
        return super().reducer_override(value)


def _same(value):
    return value


def _generators() -> tuple:
    return torch.get_rng_state().numpy().tobytes(), pickle.dumps(np.random.get_state())


class _Tee(io.StringIO):
    """Keeps what is printed, and lets it pass."""

    def __init__(self, stream):
        super().__init__()
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(text)
        return super().write(text)

    def flush(self) -> None:
        self.stream.flush()
