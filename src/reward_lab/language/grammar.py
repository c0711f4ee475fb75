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
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..metrics import Pairs

ANIMALS = ("bear", "cat", "dog", "fox", "goat", "hen", "owl", "pig")
KIND = ("helped", "fed", "praised", "thanked", "warmed", "healed", "cheered", "saved")
UNKIND = ("robbed", "scared", "mocked", "kicked", "chased", "pushed", "cheated", "trapped")
MOODS = ("wretched", "sad", "calm", "glad", "overjoyed")
"""For a sum of effects of -2, -1, 0, 1 and 2."""
PAD, COLON, STOP, NEVER = "<pad>", ":", ".", "never"
WORDS = (PAD, COLON, STOP, NEVER, *MOODS, *ANIMALS, *KIND, *UNKIND)
"""The vocabulary: a token id is a place in this list, and 0 is padding."""
PAD_ID = 0
DEEDS = 2
ENDING_COUNTS = 2
"""How much more the last deed counts for the reader than the first."""

_FIRST_MOOD, _FIRST_ANIMAL, _FIRST_VERB = (WORDS.index(words[0]) for words in (MOODS, ANIMALS, KIND))


@dataclass(frozen=True)
class Stories:
    """Many stories as numbers. All tensors live on the CPU.

    Fields: `hero`, (n,) int64, a place in ANIMALS; `agent` and `patient`, (n, 2) int64, likewise, never the same
    animal in one deed; `verb`, (n, 2) int64, a place in KIND + UNKIND; `never`, (n, 2) bool.
    """

    hero: Tensor
    agent: Tensor
    patient: Tensor
    verb: Tensor
    never: Tensor

    def __len__(self) -> int:
        return len(self.hero)

    def where(self, rows: Tensor, others: "Stories") -> "Stories":
        """Row by row this story where `rows`, (n,) bool, is true, and the other one where it is not."""
        return Stories(
            *(
                torch.where(rows.reshape(-1, *[1] * (mine.dim() - 1)), mine, theirs)
                for mine, theirs in zip(self._tensors(), others._tensors(), strict=True)
            )
        )

    def __getitem__(self, rows: Tensor | slice) -> "Stories":
        return Stories(*(tensor[rows] for tensor in self._tensors()))

    def _tensors(self) -> list[Tensor]:
        return [getattr(self, field.name) for field in fields(self)]


def draw_stories(n: int, generator: torch.Generator, hero: Tensor | None = None) -> Stories:
    """Draw stories. Verbs and negations are uniform and independent.

    In each deed the hero is the one it is done to with probability 0.7, the one who does it with probability
    0.15, and not there with probability 0.15.

    Args:
        n: how many.
        generator: a CPU generator; the stories are a function of its state.
        hero: (n,) int64, to give the heroes; None draws them uniformly.
    """
    if hero is None:
        hero = torch.randint(len(ANIMALS), (n,), generator=generator)
    here = hero.unsqueeze(1).expand(n, DEEDS)
    # Adding 1 .. 7 modulo 8 gives another animal, each equally often.
    other = (here + torch.randint(1, len(ANIMALS), (n, DEEDS), generator=generator)) % len(ANIMALS)
    third = (here + torch.randint(1, len(ANIMALS) - 1, (n, DEEDS), generator=generator)) % len(ANIMALS)
    third = torch.where(third == other, (here - 1) % len(ANIMALS), third)  # neither the hero nor the other
    part = torch.rand(n, DEEDS, generator=generator)
    return Stories(
        hero=hero,
        agent=torch.where(part < 0.15, here, other),
        patient=torch.where(part < 0.15, other, torch.where(part < 0.85, here, third)),
        verb=torch.randint(len(KIND + UNKIND), (n, DEEDS), generator=generator),
        never=torch.rand(n, DEEDS, generator=generator) < 0.5,
    )


def effects(stories: Stories) -> Tensor:
    """What each deed means for the hero: (n, 2) int64 of -1, 0 and 1."""
    value = torch.where(stories.verb < len(KIND), 1, -1) * torch.where(stories.never, -1, 1)
    return value * (stories.patient == stories.hero.unsqueeze(1))


def oracle_reward(stories: Stories) -> Tensor:
    """The reward that the reader goes by: effect of the first deed plus twice that of the second.

    Returns:
        (n,) int64 from -3 to 3.
    """
    first, last = effects(stories).unbind(dim=1)
    return first + ENDING_COUNTS * last


def twins(stories: Stories, generator: torch.Generator) -> Stories:
    """Stories of exactly the same words in another order.

    Verbs, negations and couples of animals change places between the two deeds, and within each deed the one who
    does it with the one it is done to: each by the toss of a coin. Hero and bag of words stay.
    """
    n = len(stories)

    def coin() -> Tensor:
        return torch.rand(n, generator=generator) < 0.5

    def swapped(pair: Tensor) -> Tensor:  # (n, 2): the two deeds' entries, exchanged in half of the rows
        return torch.where(coin().unsqueeze(1), pair.flip(1), pair)

    verb, never = swapped(stories.verb), swapped(stories.never)
    moved = coin().unsqueeze(1)
    agent = torch.where(moved, stories.agent.flip(1), stories.agent)
    patient = torch.where(moved, stories.patient.flip(1), stories.patient)
    turned = torch.rand(n, DEEDS, generator=generator) < 0.5
    return Stories(
        stories.hero, torch.where(turned, patient, agent), torch.where(turned, agent, patient), verb, never
    )


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
