"""Nonsense made of an answer's own words: what a reward model must learn to rank below the answer.

Preference pairs compare sensible texts, so nothing in them speaks against nonsense, and a head on a backbone's vectors may
give it any reward. The cure is more pairs: a preferred answer against its own words, garbled. They need no labels: who
preferred the answer would prefer it to these, too. (Made negatives of another kind, answers to other prompts, are in Liu et
al., RRM: Robust Reward Model Training Mitigates Reward Hacking, 2024.)
"""

import random
from collections.abc import Sequence

from .links import hash_of

FEW_WORDS = 4
"""Words that a stammer repeats."""
KINDS = ("shuffled", "stammered")


def garbled(prompt: str, answer: str, seed: int = 0) -> str:
    """Nonsense in place of an answer: its words in another order, or a few of them again and again.

    A function of its arguments alone. Texts without spaces are garbled letter by letter. The length varies between a fifth
    of the answer's and all of it, so that no length is the sign of nonsense.

    Returns:
        A text that differs from the answer; the answer itself where its words are all the same.
    """
    draw = random.Random(hash_of(f"{seed} {prompt} {answer}"))
    words = answer.split()
    between = " "
    if len(words) < len(answer) / 20:  # Thai, Chinese: what stands between spaces is no word
        words, between = list(answer), ""
    length = max(2, round(len(words) * draw.uniform(0.2, 1)))
    if draw.random() < 0.5:
        made = _shuffled(words, draw)[:length]
    else:
        few = draw.sample(words, min(FEW_WORDS, len(words)))
        made = [draw.choice(few) for _ in range(length)]
    return between.join(made)


def _shuffled(words: Sequence[str], draw: random.Random) -> list[str]:
    return draw.sample(list(words), len(words))
