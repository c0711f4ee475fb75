"""When a mistake is named: it explains everything that came. If two do, both are said."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar

MOST = 3
_read = ContextVar("read", default=True)


@contextlib.contextmanager
def unread() -> Iterator[None]:
    """Within it nobody reads what a mistake is called: `named` gives None, and looks for nothing."""
    token = _read.set(False)
    try:
        yield
    finally:
        _read.reset(token)


def named(fitting: Iterable[str]) -> str | None:
    """What to tell a student whose numbers these mistakes explain.

    Args:
        fitting: a sentence for each mistake that explains all of them; best a generator, which is left alone where
            nobody reads the name.

    Returns:
        The sentence; two or three of them as alternatives; None if there is none, or so many that they tell nothing.
    """
    if not _read.get():
        return None
    sentences = list(dict.fromkeys(fitting))
    if not sentences or len(sentences) > MOST:
        return None
    if len(sentences) == 1:
        return sentences[0]
    return "More than one mistake comes to these numbers. " + " Or: ".join(sentences)


def ways(mistakes: Mapping[str, Callable | Sequence[Callable]]) -> Iterator[tuple[str, Callable]]:
    """Each mistake with each answer that makes it: one with a constant in it is made with many constants."""
    for said, answers in mistakes.items():
        for answer in [answers] if callable(answers) else answers:
            yield said, answer
