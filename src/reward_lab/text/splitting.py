"""Hold pairs out of training so that nothing of them stands on both sides, or say that it can't be done."""

from dataclasses import dataclass, field

import numpy as np

from .keys import LADDER, PROMPT, SHORT
from .preferences import Preferences
from .ties import Ties

NEAR = 2.0
"""A split counts as near the share asked for up to this factor, either way."""
FEW = 50
"""Pairs below which a split need not be near the share: one group, and at most half, is then good enough."""

UNTOLD, FEW_SHORT = 0.05, 0.1
"""Shares of pairs without a prompt, and of held-out pairs with a known short answer, up to which nothing is said."""


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
    return Split(held_out, [*_without_prompt(ties), *_leaking(ties, held_out)])


def _without_prompt(ties: Ties) -> list[str]:
    """A warning where prompts may stand on both sides because they were not found."""
    if ties.without_prompt <= UNTOLD * ties.pairs:
        return []
    kept = ", ".join(f"`{name}`" for name in ties.columns)
    return [
        f"no prompt was found for {ties.without_prompt:,} of {ties.pairs:,} pairs"
        + (f"; those with the same {kept} are kept together" if kept else "")
        + ". If several of them answer one prompt, the held-out accuracy may be too good. A column with the prompt "
        "(--prompt-column) would settle it"
    ]


def _leaking(ties: Ties, held_out: np.ndarray) -> list[str]:
    """A warning where what ties pairs stands on both sides."""
    inside = held_out[ties.rows]
    shared = np.isin(ties.keys, np.intersect1d(ties.keys[inside], ties.keys[~inside])) & inside
    tied, short = (
        len(np.unique(ties.rows[shared & of_kind])) for of_kind in (ties.kinds != SHORT, ties.kinds == SHORT)
    )
    found = []
    if tied:
        found.append(
            f"{tied:,} of {held_out.sum():,} held-out pairs have a text, the beginning of one, or nearly a prompt that is "
            "also in training pairs: their accuracy may be too good. A column with the prompt (--prompt-column), or "
            "held-out pairs in a file of their own (--eval-file), would settle it"
        )
    if short > FEW_SHORT * held_out.sum():
        found.append(
            f"{short:,} of {held_out.sum():,} held-out pairs have a short answer that is also in training pairs: their "
            "accuracy says little about answers that are new"
        )
    return found


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
