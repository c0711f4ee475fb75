"""Nonsense made of an answer's own words: what a reward model must learn to rank below the answer.

Preference pairs compare sensible texts, so nothing in them speaks against nonsense, and a head on a backbone's vectors may
give it any reward. The cure is more pairs: a preferred answer against its own words, garbled. They need no labels: who
preferred the answer would prefer it to these, too. (Made negatives of another kind, answers to other prompts, are in Liu et
al., RRM: Robust Reward Model Training Mitigates Reward Hacking, 2024.)
"""

import random
import re
from collections.abc import Iterator

import numpy as np

from .keys import hash_of
from .preferences import Preference, Preferences

FEW = 4
"""Words that a stammer repeats."""
SHORT = 5
"""Of an answer of fewer words no nonsense is made: in another order they may say the same."""
LONG = 12
"""Letters of a word on average above which what stands between spaces is taken for no word."""
MOST = 2_000
"""Pairs with nonsense at most; a head or an adapter has learnt by then."""


def nonsense_rows(rows: np.ndarray, share: float) -> np.ndarray:
    """Pairs of which nonsense is made: some of these, evenly among them, `share` of them and MOST at most."""
    count = min(round(share * len(rows)), MOST, len(rows))
    return rows[np.linspace(0, len(rows) - 1, count).round().astype(int)] if count else rows[:0]


def nonsense_of(preferences: Preferences, rows: np.ndarray) -> Iterator[tuple[int, Preference, str]]:
    """(number of a pair, the pair, nonsense made of its preferred answer), short answers left out.

    Args:
        preferences: read once.
        rows: numbers of pairs.
    """
    wanted = set(rows.tolist())
    for number, pair in enumerate(preferences):
        if number in wanted and (made := garbled(pair.prompt, pair.preferred)):
            yield number, pair, made


def garbled(prompt: str, answer: str) -> str:
    """Nonsense in place of an answer: its words in another order, or a few of them again and again.

    A function of its arguments alone. Spaces and line breaks stay with the words before them. A text without spaces is
    garbled letter by letter. The length varies between a fifth of the answer's and all of it, so that no length is the sign
    of nonsense.

    Returns:
        A text; an empty one where the answer is short, or its words are all the same.
    """
    draw = random.Random(hash_of(f"{prompt}\n{answer}"))
    words = re.findall(r"\S+\s*", f"{answer.strip()} ")
    if len(words) < len(answer) / LONG:  # Thai, Chinese: what stands between spaces is no word
        words = list(answer)
    if len(words) < SHORT or len(set(words)) == 1:
        return ""
    length = max(SHORT, round(len(words) * draw.uniform(0.2, 1)))
    if draw.random() < 0.5:
        made = draw.sample(words, len(words))[:length]
    else:
        few = draw.sample(words, FEW)
        made = [draw.choice(few) for _ in range(length)]
    return "".join(made).strip()
