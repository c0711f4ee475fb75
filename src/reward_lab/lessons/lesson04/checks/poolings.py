"""The vector of a text that a head may read: the right one, and the usual wrong ones."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from reward_lab.language.backbone import last_token_pool


@dataclass
class Batch:
    """Texts with padding. Fields: `token_ids` and `mask`, (n, seq) int64."""

    token_ids: Tensor
    mask: Tensor


def _no_mask(backbone: Callable, batch: Batch) -> Tensor:
    return last_token_pool(backbone(batch.token_ids, torch.ones_like(batch.mask)), batch.mask)


def _mean(backbone: Callable, batch: Batch) -> Tensor:
    hidden = backbone(batch.token_ids, batch.mask)
    return (hidden * batch.mask.unsqueeze(-1)).sum(dim=1) / batch.mask.sum(dim=1, keepdim=True)


def right_pooling(backbone: Callable, batch: Batch) -> Tensor:
    return last_token_pool(backbone(batch.token_ids, batch.mask), batch.mask)


POOLINGS: dict[str, Callable[[Callable, Batch], Tensor]] = {
    "The head reads the last place, `hidden[:, -1]`, which is padding when padding stands on the right. Pool with "
    "`last_token_pool`.": lambda b, x: b(x.token_ids, x.mask)[:, -1],
    "The number of real tokens minus 1 is the last real place only when padding stands on the right.": lambda b, x: (
        b(x.token_ids, x.mask)[torch.arange(len(x.mask)), x.mask.sum(dim=1) - 1]
    ),
    "The head reads the first token, which has seen nothing of the text.": lambda b, x: b(
        x.token_ids, x.mask
    )[:, 0],
    "The head reads the mean over real tokens. The last real token's vector is asked for.": _mean,
    "The head reads the mean over all places, padding among them.": lambda b, x: b(x.token_ids, x.mask).mean(
        dim=1
    ),
    "The backbone was told that every token is real. Pass it `attention_mask`.": _no_mask,
    "The backbone was told that every token is real, and the head reads the last place.": lambda b, x: b(
        x.token_ids, torch.ones_like(x.mask)
    )[:, -1],
}
"""What is wrong -> the vectors that the head would then read, (n, DIM)."""
