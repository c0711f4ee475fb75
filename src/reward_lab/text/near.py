"""Prompts that are nearly the same: typed anew, numbered, with another system text, or somewhere inside both answers.

A text's sketch is the least hashes of its pairs of neighbouring words (Broder, On the resemblance and containment of
documents, 1997): texts that share most of these share most of their sketches.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from zlib import crc32

import numpy as np

LETTERS = 6
"""A run is two words; so many letters where words have no spaces between them."""
FACTOR = 0x9E3779B1
SIZE = 16
"""Hashes of a sketch."""
NOTHING = 2**32 - 1
ALIKE = 0.5
"""Two texts are nearly the same if they have more than this share of the smaller sketch in common."""
TEMPLATE, AT_LEAST = 0.05, 10
"""A run that more than this share of the texts has, and more than so many, is part of a template and says nothing."""
RAREST, NEIGHBOURS = 6, 3
"""Texts are compared that share one of their so many rarest runs: each with so many before it."""
CHUNK = 65_536
LONG_WORD = 20


def runs(words: Sequence[str]) -> set[int]:
    """Hashes of all runs of words; of one word its own."""
    if max(map(len, words), default=0) > LONG_WORD and sum(map(len, words)) > LONG_WORD * len(words):
        text = "".join(words)
        return {crc32(text[i : i + LETTERS].encode()) for i in range(len(text) - LETTERS + 1)}
    hashes = [crc32(word.encode()) for word in words]
    return (
        {(one * FACTOR + other) & NOTHING for one, other in pairwise(hashes)}
        if len(words) > 1
        else set(hashes)
    )


def sketch(found: set[int]) -> list[int]:
    """The least hashes, ascending, filled up with NOTHING."""
    least = sorted(found)[:SIZE]
    return least + [NOTHING] * (SIZE - len(least))


def near_ties(sketches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keys that tie texts whose sketches are alike.

    Args:
        sketches: (n, SIZE) uint32.

    Returns:
        (m,) uint64 keys and (m,) int64 texts that have them; they depend on the texts alone, not on their order.
    """
    some = np.flatnonzero(sketches[:, 0] != NOTHING)
    names = _names(sketches[some])
    different, first = np.unique(names, return_index=True)  # the names of different sketches, sorted
    keys, texts = [names], [some]
    shown = sketches[some[first]]
    for one, other in _candidates(shown):
        # A key for each tie, from the names of both.
        key = different[np.minimum(one, other)] * np.uint64(3) + different[np.maximum(one, other)]
        keys += [key, key]
        texts += [some[first[one]], some[first[other]]]
    return np.concatenate(keys), np.concatenate(texts)


def _names(sketches: np.ndarray) -> np.ndarray:
    """A 64-bit number for each sketch."""
    factors = np.random.default_rng(0).integers(1, 2**63, SIZE, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    names = np.zeros(len(sketches), np.uint64)
    for column, factor in zip(sketches.T, factors, strict=True):
        names += column.astype(np.uint64) * factor
    return names


def _candidates(sketches: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of sketches that are alike, among those that share a rare hash: each with some before it, and with the first."""
    order, start, sizes = _groups(sketches.ravel(), np.flatnonzero(sketches.ravel() != NOTHING))
    many = sizes > max(AT_LEAST, TEMPLATE * len(sketches))
    templates = sketches.ravel()[order[start[many]]]
    # How many texts have each hash; what only one has, or a template, is no reason to compare.
    times = np.full(sketches.size, NOTHING, np.uint32)
    times[order] = np.repeat(np.where(many | (sizes < 2), NOTHING, sizes), sizes)
    del order
    order, start, sizes = _groups(sketches.ravel(), _rarest(times.reshape(sketches.shape)))
    for begin in range(0, len(start), CHUNK):
        starts, counts = start[begin : begin + CHUNK], sizes[begin : begin + CHUNK]
        first = np.repeat(starts, counts)
        place = np.arange(starts[0], starts[-1] + counts[-1])
        back = [np.maximum(place - step, first) for step in range(1, NEIGHBOURS + 1)]
        before, after = np.concatenate([*back, first]), np.tile(place, NEIGHBOURS + 1)
        before, after = (order[part[before < after]].astype(np.uint64) // SIZE for part in (before, after))
        both = np.sort(before << np.uint64(32) | after)
        both = both[np.flatnonzero(np.diff(both, prepend=~both[:1]))]  # np.unique hashes, which is slow here
        for at in range(0, len(both), CHUNK):
            pairs = both[at : at + CHUNK]
            one, other = (
                (pairs >> np.uint64(32)).astype(np.int64),
                (pairs & np.uint64(NOTHING)).astype(np.int64),
            )
            alike = _alike(sketches[one], sketches[other], templates)
            yield one[alike], other[alike]


def _groups(hashes: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places in the order of their hashes, where each hash begins in that order, and how many places have it."""
    order = places[np.argsort(hashes[places], kind="stable")].astype(np.uint32)
    sorted_hashes = hashes[order]
    start = np.flatnonzero(np.diff(sorted_hashes, prepend=~sorted_hashes[:1]))
    return order, start, np.diff(start, append=len(order))


def _rarest(times: np.ndarray) -> np.ndarray:
    """Places of the RAREST least numbers of each row, but for NOTHING."""
    found = []
    for begin in range(0, len(times), CHUNK):
        part = times[begin : begin + CHUNK]
        least = np.argpartition(part, RAREST, axis=1)[:, :RAREST]
        rows = np.arange(len(part))[:, None]
        found.append(((begin + rows) * SIZE + least)[part[rows, least] != NOTHING])
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _alike(one: np.ndarray, other: np.ndarray, templates: np.ndarray) -> np.ndarray:
    """(pairs,) bool from two (pairs, SIZE) arrays of sketches, runs of templates left out."""
    some, others = ((side != NOTHING) & ~np.isin(side, templates) for side in (one, other))
    same = (one[:, :, None] == other[:, None, :]) & some[:, :, None]
    smaller = np.minimum(some.sum(axis=1), others.sum(axis=1))
    return same.any(axis=2).sum(axis=1) > ALIKE * smaller
