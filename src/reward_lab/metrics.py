"""How good are the rewards? Numbers that compare a model with the preferences."""

import torch
from torch import Tensor, nn

Pairs = tuple[Tensor, Tensor]
"""Preferred and rejected token ids, each (n, seq_len) int64; row i of both is pair i."""


def preference_accuracy(reward_preferred: Tensor, reward_rejected: Tensor) -> float:
    """Fraction of pairs whose preferred text has the strictly higher reward.

    A tie is not a correct ranking: a model that scores everything alike gets 0.

    Args:
        reward_preferred: (n,) floating point, n >= 1.
        reward_rejected: (n,) floating point.

    Returns:
        A float between 0 and 1.

    Raises:
        ValueError: the shapes differ, or there are no pairs.
    """
    if reward_preferred.shape != reward_rejected.shape or reward_preferred.numel() == 0:
        raise ValueError(
            f"preference_accuracy: expected two non-empty tensors of the same shape, got "
            f"{tuple(reward_preferred.shape)} and {tuple(reward_rejected.shape)}"
        )
    # In float64: a float32 mean of 100 million pairs would no longer count every one.
    return (reward_preferred > reward_rejected).double().mean().item()


@torch.no_grad()
def score_in_batches(model: nn.Module, token_ids: Tensor, batch_size: int = 4096) -> Tensor:
    """Rewards of many texts, in evaluation mode and without gradients.

    The model's mode is put back as it was, also when the model raises.

    Args:
        model: maps (batch, seq_len) token ids to (batch,) rewards.
        token_ids: (n, seq_len) int64, on the model's device.
        batch_size: texts per forward pass; bounds the memory, changes no score.

    Returns:
        (n,) rewards.
    """
    was_training = model.training
    model.eval()
    try:
        return torch.cat([model(batch) for batch in token_ids.split(batch_size)])
    finally:
        model.train(was_training)


def held_out_report(model: nn.Module, train_pairs: Pairs, held_out_pairs: Pairs) -> dict[str, float]:
    """Accuracy on the pairs a model was trained on, beside that on pairs it has never seen.

    Args:
        model: maps (batch, seq_len) token ids to (batch,) rewards.
        train_pairs: preferred and rejected token ids, each (n, seq_len) int64.
        held_out_pairs: the same, for pairs that no training step has used.

    Returns:
        `train_accuracy`, `held_out_accuracy`, and `gap`, the first minus the second.
    """
    train_accuracy, held_out_accuracy = (
        preference_accuracy(score_in_batches(model, preferred), score_in_batches(model, rejected))
        for preferred, rejected in (train_pairs, held_out_pairs)
    )
    return {
        "train_accuracy": train_accuracy,
        "held_out_accuracy": held_out_accuracy,
        "gap": train_accuracy - held_out_accuracy,
    }
