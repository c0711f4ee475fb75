"""Hold pairs out of training so that nothing of them stands on both sides, or say that it can't be done."""

from dataclasses import dataclass, field

import numpy as np

from .links import LADDER, PROMPT
from .preferences import Preferences

NEAR = 2.0
"""A split counts as near the share asked for up to this factor, either way."""
FEW = 50
"""Pairs below which a split need not be near the share: one group, and at most half, is then good enough."""


@dataclass(frozen=True)
class Split:
    """Which pairs are held out, and what may leak all the same."""

    held_out: np.ndarray
    """(n,) bool."""
    warnings: list[str] = field(default_factory=list)


def held_out_rows(preferences: Preferences, share: float, most: int) -> Split:
    """Choose pairs to hold out of training; no prompt and no text then stands on both sides.

    The choice depends on the texts alone, not on the order of the file. Where texts tie so many prompts to each other
    that no such split comes near the share, prompts alone are kept apart, and a warning says how many texts are not.

    Args:
        preferences: as loaded.
        share: of the pairs, above 0 and below 1.
        most: pairs at most.

    Raises:
        ValueError: not even prompts can be kept apart near that share.
    """
    wanted = max(1, min(round(share * len(preferences)), most))
    ties = preferences.links.table()
    for kinds in LADDER:
        held_out = _choose(ties.components(kinds), wanted)
        if held_out is not None:
            break
    else:
        sizes = np.unique(ties.components(PROMPT), return_counts=True)[1]
        raise ValueError(
            f"{preferences.path}: {sizes.max():,} of {sizes.sum():,} pairs share one prompt, so nothing near "
            f"{wanted:,} pairs can be held out by prompt. Give held-out pairs in a file of their own (--eval-file)"
        )
    inside = held_out[ties.rows]
    shared = np.intersect1d(ties.keys[inside], ties.keys[~inside])
    leaking = len(np.unique(ties.rows[np.isin(ties.keys, shared) & inside]))
    if not leaking:
        return Split(held_out)
    return Split(
        held_out,
        [
            f"{leaking:,} of {held_out.sum():,} held-out pairs have a text, or the beginning of one, that is also in "
            "training pairs: their accuracy may be too good. A column with the prompt (--prompt-column), or held-out pairs "
            "in a file of their own (--eval-file), would settle it"
        ],
    )


def _choose(components: np.ndarray, wanted: int) -> np.ndarray | None:
    """Whole groups that come to about so many pairs; None where there is no such choice."""
    groups, sizes = np.unique(components, return_counts=True)  # sorted by hash: a fair shuffle
    if len(groups) < 2:
        return None
    chosen, count = np.zeros(len(groups), dtype=bool), 0
    for number, size in enumerate(sizes):
        if count + size <= wanted:
            chosen[number], count = True, count + size
    if count < wanted / NEAR:  # what is left is larger groups: the smallest of them
        number = np.argmin(np.where(chosen, len(components), sizes))
        if not count or count + sizes[number] <= NEAR * wanted:
            chosen[number], count = True, count + sizes[number]
    far = count < wanted / NEAR or count > NEAR * wanted
    if 2 * count > len(components) or (far and len(components) >= FEW):
        return None
    return np.isin(components, groups[chosen])
