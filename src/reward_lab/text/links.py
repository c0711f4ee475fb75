"""What ties pairs to each other, so that what is tied stays on one side of a split.

Two pairs with one prompt, or with one text, say something about each other: a model that has seen the first knows more
about the second than about a new one. Files hide their prompts in many ways. What is found of them becomes keys, 64-bit
hashes; pairs that share a key are tied.
"""

import hashlib
from array import array

import numpy as np

from .columns import ColumnTies
from .keys import BOTH, NEAR, PROMPT, SHORT, TEXT, keys_of, normalised, runs_of, shared_items
from .near import AT_LEAST, NOTHING, SIZE, TEMPLATE, near_ties, sketch
from .ties import Ties


class Links:
    """The keys of all pairs of a file, 13 bytes each, and a sketch of each prompt: about 120 bytes a pair."""

    def __init__(self):
        self._keys, self._rows, self._kinds, self._lengths = array("Q"), array("I"), array("B"), array("I")
        self._sketches, self._columns = array("I"), ColumnTies()
        self.pairs = 0
        self._beginning = self._end = None  # what every text of the file begins and ends with

    def add(self, row: dict, prompt: str, preferred: str, rejected: str) -> None:
        """Take in one pair: its row as it was read, and its texts as they were understood."""
        texts = normalised(preferred), normalised(rejected)
        kinds, lengths, keys = zip(*keys_of(row, prompt, (preferred, rejected), texts), strict=True)
        self._keys.extend(keys)
        self._rows.extend([self.pairs] * len(keys))
        self._kinds.extend(kinds)
        self._lengths.extend(lengths)
        self._sketches.extend(sketch(runs_of(prompt, texts)))
        if not prompt:
            for text in texts:
                self._narrow(text)
            if PROMPT not in kinds:
                self._columns.add(self.pairs, row)
        self.pairs += 1

    def _narrow(self, text: str) -> None:
        """Keep of what all texts begin and end with only what this one does, too."""
        if self._beginning is None:
            self._beginning = self._end = text
        if not text.startswith(self._beginning):
            self._beginning = text[: shared_items(self._beginning, text)]
        if not text.endswith(self._end):
            self._end = text[len(text) - shared_items(self._end[::-1], text[::-1]) :]

    def digest(self) -> str:
        """SHA-256 of the keys: files whose pairs are tied alike have the same."""
        return hashlib.sha256(self._keys.tobytes()).hexdigest()

    def table(self, near: bool = True) -> Ties:
        """All keys but those of templates: what every text of the file begins or ends with ties nothing.

        Args:
            near: look for prompts that are nearly the same, too. It takes longer than all the rest.
        """
        kinds, lengths = np.array(self._kinds, np.uint8), np.array(self._lengths, np.uint32)
        template = max(len(self._beginning or ""), len(self._end or "")) if self.pairs > 1 else 0
        used = (kinds <= PROMPT) | (kinds >= TEXT) | (lengths > template)
        keys, rows, kinds = (
            np.array(part, kind)[used]
            for part, kind in ((self._keys, np.uint64), (self._rows, np.uint32), (kinds, np.uint8))
        )
        used = ~((kinds == NEAR) & _frequent(keys, self.pairs))
        sketches = np.array(self._sketches, np.uint32).reshape(-1, SIZE)
        parts = [(keys[used], rows[used], kinds[used])]
        if near:
            near_keys, texts = near_ties(sketches)
            parts.append((near_keys, texts, np.full(len(near_keys), NEAR)))
        found = np.zeros(self.pairs, dtype=bool)
        found[rows[(kinds != BOTH) & (kinds < TEXT)]] = True
        found[sketches[:, 0] != NOTHING] = True
        names, by_column, tied = self._columns.ties(self.pairs)
        parts.append((by_column, tied, np.full(len(by_column), PROMPT)))
        kinds_of = (np.uint64, np.uint32, np.uint8)
        columns = (
            np.concatenate(part).astype(kind)
            for part, kind in zip(zip(*parts, strict=True), kinds_of, strict=True)
        )
        return Ties(*columns, self.pairs, int((~found).sum()), names)

    def shared_with(self, other: "Links") -> np.ndarray:
        """(pairs,) bool: which pairs of this file are tied to a pair of another file."""
        ties, others = self.table(), other.table()
        own, theirs = ties.kinds != SHORT, others.kinds != SHORT
        tied = np.zeros(self.pairs, dtype=bool)
        tied[ties.rows[own][np.isin(ties.keys[own], others.keys[theirs])]] = True
        both = np.array(self._sketches + other._sketches, np.uint32).reshape(-1, SIZE)
        keys, texts = near_ties(both)
        here = texts < self.pairs
        tied[texts[here][np.isin(keys[here], keys[~here])]] = True
        return tied


def _frequent(keys: np.ndarray, pairs: int) -> np.ndarray:
    """(m,) bool: keys that so many pairs have that they are part of a template."""
    _, number, times = np.unique(keys, return_inverse=True, return_counts=True)
    return times[number] > max(AT_LEAST, TEMPLATE * pairs)
