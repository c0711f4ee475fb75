"""What surrounds a call of an answer: generators that are seeded and put back, and silence."""

import contextlib
import io
import logging
import os
import random
import sys
import warnings
from collections.abc import Iterator

import numpy as np
import torch

PRINTED_LETTERS = 20_000
"""What is kept of the text that one call prints."""
_STAND_IN = np.random.MT19937()
"""Draws NumPy's random numbers while an answer is called."""


_seeds: list[int] = []
"""What the generators were seeded with, of the calls that are running."""


def seed_of_the_call() -> int | None:
    """What `seeded` gave the generators, for whom it surrounds; None outside."""
    return _seeds[-1] if _seeds else None


@contextlib.contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Seed every generator, and put all of them back afterwards: checking must not change a lesson."""
    python_state, torch_state = random.getstate(), torch.get_rng_state()
    # NumPy's own generator is set aside meanwhile: to copy its state takes longer than most answers do.
    numpy_generator = np.random.get_bit_generator()
    cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    random.seed(seed)
    np.random.set_bit_generator(_STAND_IN)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)  # torch.manual_seed does the same, many times slower
    if device != "cpu" or cuda_states:  # it is slow too
        torch.cuda.manual_seed_all(seed)
    _seeds.append(seed)
    try:
        yield
    finally:
        _seeds.pop()
        random.setstate(python_state)
        np.random.set_bit_generator(numpy_generator)
        torch.set_rng_state(torch_state)
        if cuda_states:
            torch.cuda.set_rng_state_all(cuda_states)


class _Capped(io.StringIO):
    """Keeps the first PRINTED_LETTERS that are written to it."""

    def write(self, text: str) -> int:
        left = PRINTED_LETTERS - self.tell()
        if left > 0:
            super().write(text[:left])
        return len(text)


@contextlib.contextmanager
def no_logs() -> Iterator[None]:
    """Nothing is logged. Within another one it costs nothing: to switch logs off and on clears every logger's cache."""
    before = logging.root.manager.disable
    if before >= logging.CRITICAL:
        yield
        return
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def quiet() -> Iterator[io.StringIO]:
    """Catch what is printed, and keep warnings and logs away.

    nbgrader gives no credit to a check that writes to stderr, whoever wrote it, so a right answer that
    warns would lose its points.
    """
    printed = _Capped()
    sys.stderr.flush()
    stderr_fd, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # what compiled code writes goes past sys.stderr
    try:
        with (
            no_logs(),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(_Capped()),
            warnings.catch_warnings(action="ignore"),
        ):
            yield printed
    finally:
        os.dup2(stderr_fd, 2)
        os.close(stderr_fd)
        os.close(nowhere)
