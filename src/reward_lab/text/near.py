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
NEIGHBOURS = 3
"""Of the texts that share a run, each is held against so many before it."""
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
    """Pairs of sketches that are alike, among those that share a hash: each with some before it, and with the first."""
    hashes = sketches.ravel()
    order = np.argsort(hashes, kind="stable")
    order = order[hashes[order] != NOTHING].astype(np.uint32)
    start = np.flatnonzero(np.diff(hashes[order], prepend=np.uint32(NOTHING)))
    sizes = np.diff(start, append=len(order))
    many = sizes > max(AT_LEAST, TEMPLATE * len(sketches))
    templates = hashes[order[start[many]]]
    shared = (sizes > 1) & ~many
    for begin in range(0, int(shared.sum()), CHUNK):
        starts, counts = (part[shared][begin : begin + CHUNK] for part in (start, sizes))
        first = np.repeat(starts, counts - 1)
        ends = np.cumsum(counts - 1)
        place = first + 1 + np.arange(len(first)) - np.repeat(ends - (counts - 1), counts - 1)
        back = [np.maximum(place - step, first) for step in range(1, NEIGHBOURS + 1)]
        before, after = np.concatenate([*back, first]), np.tile(place, NEIGHBOURS + 1)
        both = np.unique(np.stack([order[before] // SIZE, order[after] // SIZE], axis=1), axis=0)
        for at in range(0, len(both), CHUNK):
            one, other = both[at : at + CHUNK].T
            alike = _alike(sketches[one], sketches[other], templates)
            yield one[alike], other[alike]


def _alike(one: np.ndarray, other: np.ndarray, templates: np.ndarray) -> np.ndarray:
    """(pairs,) bool from two (pairs, SIZE) arrays of sketches, runs of templates left out."""
    some, others = ((side != NOTHING) & ~np.isin(side, templates) for side in (one, other))
    same = (one[:, :, None] == other[:, None, :]) & some[:, :, None]
    smaller = np.minimum(some.sum(axis=1), others.sum(axis=1))
    return same.any(axis=2).sum(axis=1) > ALIKE * smaller
