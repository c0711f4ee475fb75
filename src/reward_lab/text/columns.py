"""Columns that may number the prompts of a file, whatever their names: their values come again, and none is common."""

from array import array
from collections.abc import Iterator

import numpy as np

from .keys import COLUMNS, hash_of
from .ties import Ties

MOST, LONGEST, DEPTH = 16, 200, 3
"""Columns that are looked at, letters of a value, and columns inside columns."""
LARGEST = 0.1
"""Share of the pairs that one value may have, and that pairs tied by several columns may come to."""


class ColumnTies:
    """Values of columns, as hashes: 12 bytes each. Only pairs without a prompt are taken in."""

    def __init__(self):
        self._values: dict[str, tuple[array, array]] = {}

    def add(self, number: int, row: dict) -> None:
        """The row of a pair."""
        for name, value in _plain(row, DEPTH):
            if name not in self._values:
                if len(self._values) >= MOST:
                    continue
                self._values[name] = array("I"), array("Q")
            rows, keys = self._values[name]
            rows.append(number)
            keys.append(hash_of(f"column {name} {value}"))

    def ties(self, pairs: int) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        """Names of the columns whose values tie pairs, keys, and the pairs that have them.

        The column with the most different values comes first; another one joins it where together they tie no more than
        LARGEST of the pairs to each other.
        """
        found = []
        for name, (rows, keys) in self._values.items():
            rows, keys = np.array(rows), np.array(keys)
            _, times = np.unique(keys, return_counts=True)
            if len(times) < len(keys) and times.max() <= max(2, LARGEST * pairs):
                found.append((-len(times), name, keys, rows))
        names, kept_keys, kept_rows = [], np.empty(0, np.uint64), np.empty(0, np.uint32)
        for _, name, keys, rows in sorted(found, key=lambda one: one[:2]):
            keys, rows = np.concatenate([kept_keys, keys]), np.concatenate([kept_rows, rows])
            tied = Ties(keys, rows, np.zeros(len(keys), np.uint8), pairs).components()
            if np.unique(tied[rows], return_counts=True)[1].max() <= max(2, LARGEST * pairs):
                names.append(name)
                kept_keys, kept_rows = keys, rows
        return tuple(names), kept_keys, kept_rows


def _plain(row: dict, depth: int) -> Iterator[tuple[str, str | int]]:
    """Names and values of columns that hold a whole number or a short text."""
    for name, value in row.items():
        if isinstance(value, dict) and depth:
            yield from _plain(value, depth - 1)
        elif name not in COLUMNS and type(value) in (str, int) and value != "" and len(str(value)) <= LONGEST:
            yield name, value
