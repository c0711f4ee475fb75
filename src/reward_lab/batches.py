"""Pairs in batches: tensors that lie on the device, or anything else that hands out rows of pairs."""

from typing import Protocol

import torch
from torch import Tensor

from .data import SyntheticPreferenceDataset
from .metrics import Pairs

Batch = tuple[Tensor, Tensor, Tensor | None]
"""Preferred and rejected token ids, each (batch, longest), and margins, (batch,) float32 or None for no margin."""


class BatchedPairs(Protocol):
    """Pairs that hand themselves out in batches, as `reward_lab.text` has them: they may be larger than the memory."""

    device: torch.device | str
    """Where the numbers of rows have to be."""

    def __len__(self) -> int:
        """How many pairs there are."""

    def batch(self, rows: Tensor) -> Batch:
        """Some pairs, by their numbers, (batch,) int64."""

    def measured(self) -> Batch:
        """The pairs on which training is measured after each epoch."""


class TensorPairs:
    """Pairs of one length, all on the device at once. BatchedPairs."""

    def __init__(self, pairs: Pairs | SyntheticPreferenceDataset, device: torch.device | str):
        preferred, rejected = pairs.pairs if isinstance(pairs, SyntheticPreferenceDataset) else pairs
        if preferred.shape != rejected.shape or preferred.dim() != 2 or len(preferred) == 0:
            raise ValueError(
                "train_reward_model: preferred and rejected must both be (n, seq_len) with n >= 1, got "
                f"{tuple(preferred.shape)} and {tuple(rejected.shape)}"
            )
        self.device = device
        self.both = torch.stack([preferred, rejected]).to(device)  # (2, n, seq_len): one look-up a batch

    def __len__(self) -> int:
        return self.both.shape[1]

    def batch(self, rows: Tensor) -> Batch:
        return *self.both[:, rows], None

    def measured(self) -> Batch:
        return *self.both, None


def batches_of(
    pairs: Pairs | SyntheticPreferenceDataset | BatchedPairs, device: torch.device | str
) -> BatchedPairs:
    """Pairs as they hand themselves out in batches."""
    # BatchedPairs may be larger than the memory: they stay where they are, and their batches travel.
    return pairs if hasattr(pairs, "measured") else TensorPairs(pairs, device)


def moved(batch: Batch, device: torch.device | str) -> Batch:
    """A batch on a device."""
    return tuple(None if part is None else part.to(device) for part in batch)
