"""A small language with a story: who did what to whom, and how the hero of the story took it.

A story names its hero and tells of two deeds, for example

    owl : fox never robbed owl . owl helped pig .

A kind deed done to the hero does it good (+1), an unkind one harm (-1); "never" turns either round. A deed
done to anybody else has no effect (0). So what a story means for its hero depends on word order and on where
the negation stands. In the corpus that a language model reads, moods stand between the deeds:

    owl : fox never robbed owl . glad owl helped pig . glad

A mood tells the sum of all effects so far. The reader whose preferences a reward model learns wants more than
that: all is well that ends well, so the second deed counts double.
"""

import math

import torch
from torch import Tensor

from ..metrics import Pairs
from .stories import (
    ANIMALS,
    DEEDS,
    ENDING_COUNTS,
    KIND,
    MOODS,
    UNKIND,
    Stories,
    draw_stories,
    effects,
    oracle_reward,
    twins,
)

PAD, COLON, STOP, NEVER = "<pad>", ":", ".", "never"
WORDS = (PAD, COLON, STOP, NEVER, *MOODS, *ANIMALS, *KIND, *UNKIND)
"""The vocabulary: a token id is a place in this list, and 0 is padding."""
PAD_ID = 0

_FIRST_MOOD, _FIRST_ANIMAL, _FIRST_VERB = (WORDS.index(words[0]) for words in (MOODS, ANIMALS, KIND))


def encode(stories: Stories, mood_after: Tensor | None = None) -> Tensor:
    """Stories as token ids.

    Args:
        stories: n of them.
        mood_after: (n, 2) bool, whether the hero's mood is told after each deed; None tells none.

    Returns:
        (n, longest) int64, padded on the right with PAD_ID.
    """
    nothing = torch.full_like(stories.verb, -1)
    mood = _FIRST_MOOD + len(MOODS) // 2 + effects(stories).cumsum(dim=1)
    deed = torch.stack(
        [
            stories.agent + _FIRST_ANIMAL,
            torch.where(stories.never, WORDS.index(NEVER), nothing),
            stories.verb + _FIRST_VERB,
            stories.patient + _FIRST_ANIMAL,
            torch.full_like(stories.verb, WORDS.index(STOP)),
            nothing if mood_after is None else torch.where(mood_after, mood, nothing),
        ],
        dim=2,
    )  # (n, 2, 6), with -1 where a place stays empty
    head = torch.stack(
        [stories.hero + _FIRST_ANIMAL, torch.full_like(stories.hero, WORDS.index(COLON))], dim=1
    )
    ids = torch.cat([head, deed.flatten(1)], dim=1)  # (n, 14)
    # A stable sort on "is empty" moves the empty places to the end, and keeps the words in order.
    ids = ids.gather(1, (ids < 0).long().argsort(dim=1, stable=True))
    longest = int((ids >= 0).sum(dim=1).max())
    return torch.where(ids < 0, PAD_ID, ids)[:, :longest]


def decode(token_ids: Tensor) -> str:
    """The text of one row of token ids, (seq_len,), without its padding."""
    return " ".join(WORDS[i] for i in token_ids.tolist() if i != PAD_ID)


def draw_corpus(n: int, generator: torch.Generator) -> Tensor:
    """Stories with moods, as a language model reads them: (n, longest) int64, padded on the right.

    The mood after the last deed is always told, the one after the first with probability 0.8.
    """
    stories = draw_stories(n, generator)
    told = torch.rand(n, DEEDS, generator=generator) < 0.8
    told[:, -1] = True
    return encode(stories, told)


def best_corpus_loss() -> float:
    """The least next-token loss that any model can reach on the corpus, in nats per target: its entropy.

    A text and the draws behind it determine each other once the hero, its first token, is known. So the entropy of
    the text is the sum of the draws' entropies (chain rule: Cover and Thomas, Elements of Information Theory,
    theorem 2.5.1); moods add only whether they are told. Targets per text: all tokens but the first.
    """
    others = len(ANIMALS) - 1
    parts = -sum(p * math.log(p) for p in (0.15, 0.7, 0.15)) + math.log(others) + 0.15 * math.log(others - 1)
    deed = parts + math.log(2) + math.log(len(KIND + UNKIND))
    told = -sum(p * math.log(p) for p in (0.8, 0.2))
    targets = 1 + DEEDS * 4.5 + 0.8 + 1
    return (DEEDS * deed + told) / targets


def draw_story_pairs(n: int, generator: torch.Generator, same_words: bool = True) -> tuple[Stories, Stories]:
    """Pairs of stories about the same hero, the better one first. No pair has equal rewards.

    Args:
        n: how many pairs.
        generator: a CPU generator.
        same_words: the two stories are twins, the same words in another order; else two independent ones.

    Returns:
        Preferred and rejected stories, n each.
    """
    found: list[tuple[Stories, Stories]] = []
    while sum(len(better) for better, _ in found) < n:
        one = draw_stories(2 * n, generator)
        other = twins(one, generator) if same_words else draw_stories(2 * n, generator, one.hero)
        reward, other_reward = oracle_reward(one), oracle_reward(other)
        first_wins, differ = reward > other_reward, reward != other_reward
        found.append((one.where(first_wins, other)[differ], other.where(first_wins, one)[differ]))
    return tuple(
        Stories(*(torch.cat(parts)[:n] for parts in zip(*(s._tensors() for s in side), strict=True)))
        for side in zip(*found, strict=True)
    )


def encode_pairs(pairs: tuple[Stories, Stories]) -> Pairs:
    """Both sides of story pairs as token ids of the same width: (n, longest) int64 each."""
    both = encode(Stories(*(torch.cat(parts) for parts in zip(*(s._tensors() for s in pairs), strict=True))))
    return both[: len(pairs[0])], both[len(pairs[0]) :]


def story_pairs(n: int, seed: int, same_words: bool = True) -> Pairs:
    """Pairs as token ids, a function of the seed: preferred and rejected, (n, longest) int64 each."""
    return encode_pairs(draw_story_pairs(n, torch.Generator().manual_seed(seed), same_words))


def reward_of_text(text: str) -> int:
    """The reader's rule, read off the text itself.

    Args:
        text: one story without moods, for example "owl : fox never robbed owl . owl helped pig ."

    Raises:
        ValueError: it is no such story.
    """
    hero, _, deeds = text.partition(f" {COLON} ")
    sentences = [deed.split() for deed in deeds.split(STOP) if deed.strip()]
    if len(sentences) != DEEDS or any(len(words) - (NEVER in words) != 3 for words in sentences):
        raise ValueError(f"reward_of_text: expected 'HERO : DEED . DEED .', got {text!r}")
    reward = 0
    for weight, words in zip((1, ENDING_COUNTS), sentences, strict=True):
        *_, verb, patient = words
        if patient == hero:
            reward += weight * (1 if verb in KIND else -1) * (-1 if NEVER in words else 1)
    return reward
