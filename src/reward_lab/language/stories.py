"""Stories as numbers: who did what to whom, what it does to the hero, and what a reader thinks of it."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

ANIMALS = ("bear", "cat", "dog", "fox", "goat", "hen", "owl", "pig")
KIND = ("helped", "fed", "praised", "thanked", "warmed", "healed", "cheered", "saved")
UNKIND = ("robbed", "scared", "mocked", "kicked", "chased", "pushed", "cheated", "trapped")
MOODS = ("wretched", "sad", "calm", "glad", "overjoyed")
"""For a sum of effects of -2, -1, 0, 1 and 2."""
DEEDS = 2
ENDING_COUNTS = 2
"""How much more the last deed counts for the reader than the first."""


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
