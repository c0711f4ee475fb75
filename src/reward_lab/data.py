"""Synthetic worlds: preferences whose hidden rule is known."""

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from .metrics import Pairs


def true_quality(token_ids: Tensor) -> Tensor:
    """The hidden rule of the synthetic world: the quality of a text is its mean token id.

    Args:
        token_ids: (..., seq_len) int64.

    Returns:
        (...) float64.
    """
    return token_ids.double().mean(dim=-1)


def draw_pairs(num_pairs: int, seq_len: int, vocab_size: int, generator: torch.Generator) -> Pairs:
    """Draw texts of independent, uniform tokens, and rank them two by two by their true quality.

    Args:
        num_pairs: how many pairs.
        seq_len: tokens in a text.
        vocab_size: token ids are uniform on 0 .. vocab_size - 1.
        generator: a CPU generator; the pairs are a function of its state.

    Returns:
        Preferred and rejected token ids, each (num_pairs, seq_len) int64. At equal quality the text
        that was drawn first counts as preferred.
    """
    first, second = torch.randint(vocab_size, (2, num_pairs, seq_len), generator=generator)
    # Comparing sums compares means, exactly: integers do not round.
    first_wins = (first.sum(dim=1) >= second.sum(dim=1)).unsqueeze(1)  # (num_pairs, 1)
    return torch.where(first_wins, first, second), torch.where(first_wins, second, first)


class SyntheticPreferenceDataset(Dataset):
    """Preference pairs of random token sequences, ranked by their mean token id.

    Item `idx` is a dict with `preferred` and `rejected`, each (seq_len,) int64. It is the same pair every
    time, in any order and in any DataLoader worker, because all pairs are drawn once, from the seed.

    Args:
        num_pairs: how many pairs, at least 1.
        seq_len: tokens in a text, at least 1.
        vocab_size: token ids run from 0 to vocab_size - 1; at least 2.
        seed: 0 or above; the pairs are a function of it.
        fresh: draw new pairs each epoch. `set_epoch` moves on, as in torch's DistributedSampler; the
            trainer calls it. A DataLoader with persistent workers keeps copies that don't see the call.

    Raises:
        ValueError: an argument is out of range.
        IndexError: an item outside 0 .. num_pairs - 1 is asked for (negative ones count from the end).
    """

    def __init__(self, num_pairs: int, seq_len: int, vocab_size: int, seed: int = 0, fresh: bool = False):
        for name, value, least in (
            ("num_pairs", num_pairs, 1),
            ("seq_len", seq_len, 1),
            ("vocab_size", vocab_size, 2),
        ):
            if value < least:
                raise ValueError(f"SyntheticPreferenceDataset: {name} must be at least {least}, got {value}")
        self.num_pairs = num_pairs
        self.seq_len = seq_len
        self.vocab_size = vocab_size
        self.seed = seed
        self.fresh = fresh
        self._draw(epoch=0)

    def _draw(self, epoch: int) -> None:
        # Torch's CPU generator looks at 32 bits of its seed only, so two numbers have to be mixed, not joined.
        (mixed,) = np.random.SeedSequence([self.seed, epoch]).generate_state(1)
        generator = torch.Generator().manual_seed(int(mixed))
        self.preferred, self.rejected = draw_pairs(self.num_pairs, self.seq_len, self.vocab_size, generator)

    def set_epoch(self, epoch: int) -> None:
        """In fresh mode, replace all pairs by those of this epoch. Otherwise do nothing."""
        if self.fresh:
            self._draw(epoch)

    @property
    def pairs(self) -> Pairs:
        """All pairs at once: preferred and rejected, each (num_pairs, seq_len) int64."""
        return self.preferred, self.rejected

    def __len__(self) -> int:
        return self.num_pairs

    def __getitem__(self, idx: int) -> dict[str, Tensor]:
        return {"preferred": self.preferred[idx], "rejected": self.rejected[idx]}
