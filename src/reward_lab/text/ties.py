"""Which pairs share keys, and which are tied to each other through any number of others."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .keys import NEAR


@dataclass(frozen=True)
class Ties:
    """Which pairs share which keys, as arrays: what a split works with."""

    keys: np.ndarray
    """(m,) uint64."""
    rows: np.ndarray
    """(m,) uint32: the pair that has the key."""
    kinds: np.ndarray
    """(m,) uint8, see PROMPT and TEXT."""
    pairs: int
    without_prompt: int = 0
    """Pairs of which no prompt was found."""
    columns: tuple[str, ...] = ()
    """Columns whose values tie pairs, because no prompt was found."""

    @cached_property
    def _nodes(self) -> np.ndarray:
        return np.unique(self.keys, return_inverse=True)[1]

    def components(self, kinds: int = NEAR) -> np.ndarray:
        """(pairs,) uint64: tied pairs share a number, whatever the order of the file.

        Args:
            kinds: the last kind of key that ties.
        """
        used = self.kinds <= kinds
        keys, rows, nodes = self.keys[used], self.rows[used], self._nodes[used]
        label = np.full(self.pairs, np.iinfo(np.uint64).max)
        np.minimum.at(label, rows, keys)
        while True:  # the least key of a component spreads over it, one tie a round
            least = np.full(nodes.max(initial=-1) + 1, np.iinfo(np.uint64).max)
            np.minimum.at(least, nodes, label[rows])
            spread = label.copy()
            np.minimum.at(spread, rows, least[nodes])
            if (spread == label).all():
                return label
            label = spread
