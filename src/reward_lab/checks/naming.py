"""When a mistake is named: it explains everything that came. If two do, both are said."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

MOST = 3


def named(fitting: Iterable[str]) -> str | None:
    """What to tell a student whose numbers these mistakes explain.

    Args:
        fitting: a sentence for each mistake that explains all of them.

    Returns:
        The sentence; two or three of them as alternatives; None if there is none, or so many that they tell nothing.
    """
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
