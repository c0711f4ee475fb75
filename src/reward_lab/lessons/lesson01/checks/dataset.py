"""TODO 2: preference pairs with a known quality."""

import functools
import itertools
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.naming import named
from reward_lab.checks.statistics import surprising
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe
from reward_lab.metrics import Pairs

SyntheticPreferenceDataset = Exercise(
    "SyntheticPreferenceDataset",
    first_step="Say what an item holds and what decides which sequence is which; begin with the length.",
    withholds=("reward_lab.data.draw_pairs",),
)


def _draw_pairs(subject: Subject, num_pairs: int, seq_len: int, vocab_size: int) -> Pairs:
    """All pairs of a new dataset, preferred and rejected (num_pairs, seq_len) each, on the CPU, their form checked."""
    handle = subject.create(num_pairs, seq_len, vocab_size)
    return _pairs_of(subject.items(handle, range(num_pairs)), seq_len, vocab_size)


def _pairs_of(items: list, seq_len: int, vocab_size: int) -> Pairs:
    for item in items:
        _check_form(item, seq_len)
    pairs = tuple(torch.stack([item[key] for item in items]).cpu() for key in ("preferred", "rejected"))
    for tokens in pairs:
        low, high = tokens.min().item(), tokens.max().item()
        if low < 0 or high >= vocab_size:
            raise Mistake(
                f"token ids between 0 and vocab_size - 1 = {vocab_size - 1}",
                f"ids from {low} to {high}",
                "The upper end of `torch.randint` is not drawn: `torch.randint(0, self.vocab_size, ...)`.",
            )
    return pairs


def _check_form(item: object, seq_len: int) -> None:
    if type(item) is not dict or not {"preferred", "rejected"} <= item.keys():
        likely = None
        if type(item) is dict and {"chosen", "rejected"} <= item.keys():
            likely = "The keys of this lesson are `preferred` and `rejected`."
        elif type(item) is tuple:
            likely = "Name the two sequences: return a dict."
        raise Mistake("a dict with the keys `preferred` and `rejected`", describe(item), likely)
    for key in ("preferred", "rejected"):
        tokens = item[key]
        if not isinstance(tokens, Tensor) or tokens.dtype != torch.int64 or tokens.shape != (seq_len,):
            likely = None
            if isinstance(tokens, Tensor) and tokens.shape == (1, seq_len):
                likely = "Leave the batch dimension to the DataLoader: draw with size `(self.seq_len,)`."
            elif isinstance(tokens, Tensor) and tokens.dtype != torch.int64:
                likely = "Token ids are whole numbers. Turn a copy into floats when you need the mean."
            elif isinstance(tokens, Tensor):
                likely = "The length of a sequence is `self.seq_len`, whatever it was set to."
            raise Mistake(f"`{key}` to be an int64 tensor of shape ({seq_len},)", describe(tokens), likely)


@SyntheticPreferenceDataset.case("length, keys, shapes and dtypes", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    for _repeat in range(3):
        num_pairs, seq_len, vocab_size = (
            torch.randint(low, high, (), generator=draw).item()
            for low, high in ((3, 40), (2, 30), (50, 2000))
        )
        handle = subject.create(num_pairs, seq_len, vocab_size)
        length = subject.length(handle)
        if length != num_pairs:
            raise Mistake(f"len(dataset) to be num_pairs = {num_pairs}", describe(length))
        _pairs_of(subject.items(handle, [0, num_pairs - 1, num_pairs // 2]), seq_len, vocab_size)


@SyntheticPreferenceDataset.case("the preferred sequence has the higher quality", points=1.0)
def _(subject: Subject, draw: torch.Generator) -> None:
    for seq_len, vocab_size in ((20, 1000), (1, 7), (5, 3)):
        pairs = _draw_pairs(subject, 40, seq_len, vocab_size)
        wrong = (pairs[0].sum(dim=1) < pairs[1].sum(dim=1)).sum().item()
        if wrong:
            raise Mistake(
                "the higher mean token id to be preferred in every pair",
                f"{wrong} of 40 pairs the other way round",
                _ranking_mistake(pairs),
            )


RANKING_MISTAKES: dict[str, Callable[[Tensor], Tensor]] = {
    "It looks as if the largest token decided. Quality is the mean.": lambda tokens: tokens.amax(dim=1),
    "It looks as if the first token decided. Quality is the mean.": lambda tokens: tokens[:, 0],
    "It looks as if the last token decided. Quality is the mean.": lambda tokens: tokens[:, -1],
    "It looks as if the median decided. Quality is the mean.": lambda tokens: tokens.median(dim=1).values,
    "It looks as if the smallest token decided. Quality is the mean.": lambda tokens: tokens.amin(dim=1),
    "It looks as if the spread of the tokens decided. Quality is the mean.": lambda tokens: (
        tokens.amax(dim=1) - tokens.amin(dim=1)
    ),
    "It looks as if the product of the tokens decided. Quality is the mean.": lambda tokens: (
        tokens.double().log().sum(dim=1)
    ),
    "It looks as if the sum of squares decided. Quality is the mean.": lambda tokens: tokens.square().sum(
        dim=1
    ),
}
"""sentence -> the quality, (n, seq_len) -> (n,), that this mistake ranks by"""


def _ranking_mistake(pairs: Pairs) -> str | None:
    preferred, rejected = pairs
    right = (preferred.sum(dim=1) >= rejected.sum(dim=1)).double().mean().item()
    if right <= 0.1:
        return "The two are swapped: `preferred` gets the lower quality."
    fitting = [
        said for said, quality in RANKING_MISTAKES.items() if (quality(preferred) >= quality(rejected)).all()
    ]
    if fitting:
        return named(fitting)
    if 0.3 <= right <= 0.7:
        return "It looks as if the order were left to chance. Compare the two qualities, then assign."
    return None


@SyntheticPreferenceDataset.case("tokens are independent and uniform", points=1.0)
def _(subject: Subject, draw: torch.Generator) -> None:
    # Sequences so short that every possible pair comes often: the counts show any kind of dependence.
    vocab_size, seq_len = 3, 2
    preferred, rejected = _draw_pairs(subject, 400, seq_len, vocab_size)
    if torch.equal(preferred.sort(dim=1).values, rejected.sort(dim=1).values):
        raise Mistake(
            "two sequences drawn separately",
            "the same tokens in both, in every pair",
            "`rejected` seems to be made from `preferred`. Draw both.",
        )
    tokens = Counter(torch.cat([preferred, rejected]).flatten().tolist())
    odd = surprising(tokens, dict.fromkeys(range(vocab_size), 1 / vocab_size))
    if odd is not None:
        likely = None
        if odd == vocab_size - 1 and not tokens[odd]:
            likely = "The upper end of `torch.randint` is not drawn: pass `self.vocab_size`, not one less."
        elif odd == 0 and not tokens[odd]:
            likely = "Token ids start at 0."
        raise Mistake(
            f"each of {vocab_size} tokens in about {1 / vocab_size:.0%} of the places",
            f"token {odd} in {tokens[odd] / tokens.total():.1%}",
            likely,
        )
    if all((tokens[:, 0] != tokens[:, 1]).all() for tokens in (preferred, rejected)):
        raise Mistake(
            "tokens drawn with replacement",
            "no token twice in any sequence",
            "`torch.randperm` never repeats a token. Use `torch.randint`.",
        )
    probabilities = _pair_probabilities(vocab_size, seq_len)
    tied = Counter((preferred.sum(dim=1) == rejected.sum(dim=1)).tolist())
    equal = sum(share for (better, worse), share in probabilities.items() if sum(better) == sum(worse))
    if surprising(tied, {True: equal, False: 1 - equal}) is not None:
        raise Mistake(
            f"about {equal:.0%} of pairs to be of equal quality when vocab_size is 3 and seq_len 2",
            f"{tied[True] / tied.total():.0%}",
            "Draw every token anew, in both sequences, and do not filter: pairs of equal quality belong to the world.",
        )
    rows = zip(preferred.tolist(), rejected.tolist(), strict=True)
    pairs = Counter(_unordered(tuple(better), tuple(worse)) for better, worse in rows)
    if surprising(pairs, probabilities) is not None:
        raise Mistake(
            "the tokens of both sequences to be independent of each other",
            "some combinations of tokens far too often or too rarely",
            "Draw every token anew, in both sequences, and do not sort or filter them.",
        )
    # The full vocabulary, in ten equal parts: a range that depends on nothing but vocab_size.
    wide = Counter((torch.cat(_draw_pairs(subject, 50, 20, 1000)) * 10 // 1000).flatten().tolist())
    if surprising(wide, dict.fromkeys(range(10), 0.1)) is not None:
        raise Mistake(
            "all parts of the vocabulary equally often when vocab_size is 1000",
            "some parts far more often than others",
            "Use `self.vocab_size`, and draw uniformly.",
        )


def _unordered(preferred: tuple, rejected: tuple) -> tuple:
    """One name for both orders of a pair of equal quality, since either order is right."""
    if sum(preferred) == sum(rejected):
        return min(preferred, rejected), max(preferred, rejected)
    return preferred, rejected


@functools.cache
def _pair_probabilities(vocab_size: int, seq_len: int) -> dict[tuple, float]:
    """Exact probability of every ranked pair, by enumeration of all pairs of sequences."""
    sequences = list(itertools.product(range(vocab_size), repeat=seq_len))
    probabilities: Counter = Counter()
    for first, second in itertools.product(sequences, repeat=2):
        better, worse = (first, second) if sum(first) >= sum(second) else (second, first)
        probabilities[_unordered(better, worse)] += len(sequences) ** -2
    return probabilities


@SyntheticPreferenceDataset.case("pairs differ from index to index", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    handle = subject.create(50, 20, 1000)
    # In any order, and some of them twice, as a DataLoader of several epochs asks.
    order = torch.cat([torch.randperm(50, generator=draw), torch.randperm(50, generator=draw)[:10]]).tolist()
    preferred, rejected = _pairs_of(subject.items(handle, order)[:50], 20, 1000)
    pairs = torch.cat([preferred, rejected], dim=1)
    # Two of 1000 ** 40 possible pairs agree by chance with probability below 1e-115.
    if len(pairs.unique(dim=0)) < len(pairs):
        raise Mistake(
            "50 different pairs",
            "the same pair more than once",
            "Draw in `__getitem__`, or draw all pairs in `__init__`; do not reset the seed for every item.",
        )
    sequences = torch.cat([preferred, rejected])
    if len(sequences.unique(dim=0)) < len(sequences):
        raise Mistake(
            "100 different sequences in 50 pairs",
            "a sequence that occurs in more than one pair",
            "All tokens are independent: draw two new sequences for each pair.",
        )
