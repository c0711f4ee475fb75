"""From a language model to a reward model: the loss, the pooling, the scalar head, the comparison."""

import math
import statistics
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .grammar import PAD_ID


def next_token_loss(logits: Tensor, token_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """Mean cross-entropy of predicting each token from those before it.

    The logits at place t are held against the token at place t + 1. With L the set of (row, t) whose token at t and
    at t + 1 is real, this is the mean over L of -log softmax(logits[row, t])[token_ids[row, t + 1]], the negative
    log-likelihood of an autoregressive model (Bengio et al., A neural probabilistic language model, 2003).

    Args:
        logits: (batch, seq, vocab_size) floating point.
        token_ids: (batch, seq) int64.
        attention_mask: (batch, seq), 1 at real tokens, 0 at padding.

    Returns:
        A scalar tensor in nats: the mean over all real targets of the batch.

    Raises:
        ValueError: the batch has no target.
    """
    real = attention_mask.bool()
    counts = real[:, 1:] & real[:, :-1]  # (batch, seq - 1)
    if not counts.any():
        raise ValueError("next_token_loss: expected at least one text of two or more real tokens")
    return F.cross_entropy(logits[:, :-1][counts], token_ids[:, 1:][counts])


def last_token_pool(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """The vector of each row's last real token.

    Args:
        hidden: (batch, seq, dim).
        attention_mask: (batch, seq), 1 at real tokens, 0 at padding; each row has a real token.

    Returns:
        (batch, dim), of the same dtype; gradients flow back to `hidden`.
    """
    place = torch.arange(hidden.shape[1], device=hidden.device)
    last = (place * attention_mask.long()).argmax(dim=1)  # (batch,): the largest place that is real
    return hidden[torch.arange(len(hidden), device=hidden.device), last]


class RewardFromBackbone(nn.Module):
    """A reward model on a backbone: the last real token's vector, through one linear layer, is the reward.

    Args:
        backbone: maps (token_ids, attention_mask) to (batch, seq, hidden_dim), and has a `hidden_dim`. It is used
            as it is, not copied.
        freeze: no parameter of the backbone gets a gradient; the head alone is trained.
    """

    def __init__(self, backbone: nn.Module, freeze: bool):
        super().__init__()
        self.backbone = backbone
        self.reward_head = nn.Linear(backbone.hidden_dim, 1)
        backbone.requires_grad_(not freeze)

    def forward(self, token_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Score a batch of texts.

        Args:
            token_ids: (batch, seq) int64.
            attention_mask: (batch, seq), 1 at real tokens; None takes every id but PAD_ID, which is 0, as real.

        Returns:
            (batch,) rewards. How a text is padded does not change its reward.
        """
        if attention_mask is None:
            attention_mask = token_ids != PAD_ID
        hidden = self.backbone(token_ids, attention_mask)  # (batch, seq, hidden_dim)
        return self.reward_head(last_token_pool(hidden, attention_mask)).squeeze(-1)  # (batch,)


def data_efficiency(
    sizes: Iterable[int], train_fn: Callable[[int, int], float], seeds: Iterable[int]
) -> dict[int, dict[str, float]]:
    """Held-out accuracy against the number of training pairs, over several seeds.

    Args:
        sizes: numbers of pairs.
        train_fn: train_fn(n_pairs, seed) -> held-out accuracy; called once for each size and seed.
        seeds: at least one.

    Returns:
        size -> {"mean": mean over seeds, "std": sample standard deviation (divisor: number of seeds - 1)}. With
        one seed the std is NaN: one run says nothing about spread.
    """
    seeds = list(seeds)
    result = {}
    for size in sizes:
        accuracies = [float(train_fn(size, seed)) for seed in seeds]
        std = statistics.stdev(accuracies) if len(seeds) > 1 else math.nan
        result[size] = {"mean": statistics.fmean(accuracies), "std": std}
    return result
