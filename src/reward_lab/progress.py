"""How far long work is, what it will take, and what it took."""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch

SAY_EVERY = 10.0
"""Seconds between two lines."""


class Progress:
    """Lines such as `embedded 1,200 of 40,000 texts (3%), 85 texts/s, 6,100 tokens/s, 8 min to go`.

    Args:
        what: the verb.
        total: texts in all.
        say: called with each line.
    """

    def __init__(self, what: str, total: int, say: Callable[[str], object]):
        self._what, self._total, self._say = what, total, say
        self.done = self.worked = self.tokens = 0
        self._start = self._said = time.monotonic()

    def add(self, texts: int, tokens: int) -> None:
        """So many more texts are done, with so many tokens. Says a line if it is time for one."""
        self.worked += texts
        self.tokens += tokens
        self.skip(texts)

    def skip(self, texts: int) -> None:
        """So many more texts are done that needed no work."""
        self.done += texts
        now = time.monotonic()
        if now - self._said >= SAY_EVERY:
            self._said = now
            self._say(self.line(now - self._start))

    def line(self, seconds: float) -> str:
        """The line after so many seconds."""
        text = f"{self._what} {self.done:,} of {self._total:,} texts ({self.done / max(1, self._total):.0%})"
        if self.worked and seconds > 0:
            # What was found done already says nothing of the pace.
            to_go = (self._total - self.done) * seconds / self.worked
            text += (
                f", {self.worked / seconds:,.1f} texts/s, {self.tokens / seconds:,.0f} tokens/s, "
                f"{duration(to_go)} to go"
            )
        return text


@dataclass
class Spent:
    """What a run cost."""

    seconds: float
    texts: int
    """Texts that went through the model, each time they did."""
    tokens: int
    peak_memory_mib: float
    """Of this process, in main memory."""
    peak_gpu_memory_mib: float | None
    """None where no GPU was used."""

    def line(self) -> str:
        """The same in a line."""
        rates = ""
        if self.texts:
            rates = f" ({self.texts / self.seconds:,.1f} texts/s, {self.tokens / self.seconds:,.0f} tokens/s)"
        gpu = "" if self.peak_gpu_memory_mib is None else f", on the GPU {self.peak_gpu_memory_mib:,.0f} MiB"
        return (
            f"spent: {duration(self.seconds)}, {self.texts:,} texts and {self.tokens:,} tokens through the model{rates}, "
            f"peak memory {self.peak_memory_mib:,.0f} MiB{gpu}"
        )

    def as_dict(self) -> dict:
        """For a metrics file."""
        return asdict(self)


def spent(seconds: float, texts: int, tokens: int) -> Spent:
    """What this process has spent, its peak memory from its start on."""
    gpu = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_initialized() else None
    return Spent(seconds, texts, tokens, _peak_memory(), gpu)


def _peak_memory() -> float:
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def duration(seconds: float) -> str:
    """Seconds in words, to two digits or so: 8.1 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
