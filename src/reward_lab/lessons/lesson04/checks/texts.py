"""Random texts with padding, for the cases of this lesson."""

import torch
from torch import Tensor


def lengths_with_a_full_row(draw: torch.Generator, n: int, seq: int, least: int = 1) -> Tensor:
    """(n,) int64 from `least` to `seq`; the first row is full, the second is the shortest."""
    lengths = torch.randint(least, seq + 1, (n,), generator=draw)
    lengths[0], lengths[1] = seq, least
    return lengths


def mask_of(lengths: Tensor, seq: int, side: str) -> Tensor:
    """(n, seq) int64, 1 at real tokens; `side` is where the padding stands, "left" or "right"."""
    mask = (torch.arange(seq) < lengths.unsqueeze(1)).long()
    return mask if side == "right" else mask.flip(1)


def padded(texts: list[Tensor], seq: int, side: str, fill: Tensor) -> tuple[Tensor, Tensor]:
    """Texts in one batch: token ids and mask, (n, seq) int64 each. Padding is taken from `fill`, (n, seq)."""
    mask = mask_of(torch.tensor([len(text) for text in texts]), seq, side)
    token_ids = fill.clone()
    token_ids[mask.bool()] = torch.cat(texts)
    return token_ids, mask
