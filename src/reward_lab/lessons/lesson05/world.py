"""A world of answers with a judge who may like length: the bias is a number that we choose, so that it can be looked for."""

from dataclasses import dataclass

import torch
from torch import Tensor

from reward_lab.metrics import Pairs

SLOTS = 16
GOOD, BAD, FILLER = range(1, 7), range(7, 13), range(13, 24)
"""Token ids. 0 is an empty slot: it counts in the mean of the embeddings, so that a model can see the length."""
VOCAB_SIZE = 24
PER_WORD = 0.6
"""Quality of one good word; a bad one takes as much off. Fillers change nothing."""


@dataclass(frozen=True)
class Answers:
    """Answers and what is true of them.

    Fields: `token_ids` (n, SLOTS) int64; `quality` (n,) float64; `length` (n,) float64, words of any kind.
    """

    token_ids: Tensor

    @property
    def quality(self) -> Tensor:
        return PER_WORD * (self._count(GOOD) - self._count(BAD))

    @property
    def length(self) -> Tensor:
        return (self.token_ids > 0).sum(dim=1).double()

    def _count(self, words: range) -> Tensor:
        return ((self.token_ids >= words[0]) & (self.token_ids <= words[-1])).sum(dim=1).double()

    def __len__(self) -> int:
        return len(self.token_ids)

    def __getitem__(self, rows: Tensor) -> "Answers":
        return Answers(self.token_ids[rows])

    def to(self, device: torch.device | str) -> "Answers":
        return Answers(self.token_ids.to(device))


def draw_answers(count: int, draw: torch.Generator, rho: float = 0.0, fewest: int = 0) -> Answers:
    """Answers of 2 to 6 words that matter and 0 to 10 fillers, in random order.

    Args:
        count: how many.
        draw: a CPU generator.
        rho: share of the answers whose number of fillers follows their quality. In the others it is independent of it.
        fewest: fillers of those others are drawn from this number to 10. A high one makes a verbose writer.
    """
    content = _content(count, draw)
    # An honest writer who elaborates on what is good.
    following = (5 + 5 / 6 * Answers(content).quality / PER_WORD).round().long()
    fillers = torch.randint(fewest, 11, (count,), generator=draw)
    follows = torch.rand(count, generator=draw) < rho
    return _with_fillers(content, torch.where(follows, following, fillers), draw)


def in_three_styles(count: int, draw: torch.Generator) -> tuple[list[Answers], list[Answers]]:
    """Pairs of which the first is better, each side told in three styles: with 0, 5 and 10 fillers.

    Returns:
        The better ones and the worse ones, a list of three Answers each, plain to long.
    """
    one, other = _content(count, draw), _content(count, draw)
    lead = Answers(one).quality - Answers(other).quality
    one, other = one[lead != 0], other[lead != 0]
    first = (Answers(one).quality > Answers(other).quality).unsqueeze(1)
    sides = torch.where(first, one, other), torch.where(first, other, one)
    better, worse = (
        [_with_fillers(side, torch.full((len(side),), n), draw) for n in (0, 5, 10)] for side in sides
    )
    return better, worse


def _content(count: int, draw: torch.Generator) -> Tensor:
    """(count, 6): 2 to 6 good and bad words each, then empty slots."""
    matter = torch.randint(2, 7, (count, 1), generator=draw)
    # Some writers are better than others: each answer has its own share of good words.
    good = torch.rand(count, 6, generator=draw) < torch.rand(count, 1, generator=draw)
    content = torch.randint(6, (count, 6), generator=draw) + torch.where(good, GOOD[0], BAD[0])
    content[torch.arange(6) >= matter] = 0
    return content


def _with_fillers(content: Tensor, fillers: Tensor, draw: torch.Generator) -> Answers:
    """The content and so many fillers, in random order."""
    count = len(content)
    filler = torch.randint(FILLER[0], FILLER[-1] + 1, (count, 10), generator=draw)
    filler[torch.arange(10) >= fillers.unsqueeze(1)] = 0
    token_ids = torch.cat([content, filler], dim=1)
    order = torch.rand(count, SLOTS, generator=draw).argsort(dim=1)
    return Answers(token_ids.gather(1, order))


def judged_pairs(count: int, lam: float, draw: torch.Generator, rho: float = 0.0) -> tuple[Answers, Answers]:
    """Pairs of answers, preferred first, as a judge sees them who wants sigma(quality lead + lam * length lead).

    Args:
        count: how many pairs.
        lam: what one more word is worth to the judge, in units of the logit; 0 is a judge without bias.
        draw: a CPU generator.
        rho: as for draw_answers.
    """
    one, other = draw_answers(count, draw, rho), draw_answers(count, draw, rho)
    wins = torch.rand(count, generator=draw, dtype=torch.float64) < win_probability(one, other, lam)
    swap = ~wins.unsqueeze(1)
    return (
        Answers(torch.where(swap, other.token_ids, one.token_ids)),
        Answers(torch.where(swap, one.token_ids, other.token_ids)),
    )


def win_probability(one: Answers, other: Answers, lam: float) -> Tensor:
    """(n,) float64: how often the judge prefers the first of each two."""
    return torch.sigmoid(one.quality - other.quality + lam * (one.length - other.length))


def with_one_more_filler(answers: Answers, draw: torch.Generator) -> tuple[Answers, Answers]:
    """The answers that have an empty slot, and the same with a filler in one of them.

    The edit changes the length by 1, and nothing that anybody should care about.
    """
    there = answers[(answers.token_ids == 0).any(dim=1)]
    ids = there.token_ids.cpu()
    empty = (torch.rand(ids.shape, generator=draw) * (ids == 0)).argmax(dim=1)
    edited = ids.clone()
    edited[torch.arange(len(ids)), empty] = torch.randint(
        FILLER[0], FILLER[-1] + 1, (len(ids),), generator=draw
    )
    return there, Answers(edited.to(there.token_ids.device))


def ids(pairs: tuple[Answers, Answers]) -> Pairs:
    """The token ids of pairs, preferred first."""
    return pairs[0].token_ids, pairs[1].token_ids
