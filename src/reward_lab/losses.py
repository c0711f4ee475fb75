"""Losses for learning from preferences."""

import torch.nn.functional as F
from torch import Tensor


def bradley_terry_loss(reward_preferred: Tensor, reward_rejected: Tensor) -> Tensor:
    """Mean negative log-likelihood of the preferences under the Bradley-Terry model.

    For one pair the loss is -log sigmoid(reward_preferred - reward_rejected), after Bradley and Terry,
    "Rank analysis of incomplete block designs" (Biometrika, 1952); as a loss for reward models,
    Christiano et al., "Deep reinforcement learning from human preferences" (2017), equation 1.

    Args:
        reward_preferred: (batch,) floating point, rewards of the preferred texts.
        reward_rejected: (batch,) of the same dtype, rewards of the rejected texts.

    Returns:
        A scalar tensor: the mean over the batch, in nats.

    Raises:
        ValueError: the two shapes differ. They would broadcast, and give a number that means nothing.
    """
    if reward_preferred.shape != reward_rejected.shape:
        raise ValueError(
            f"bradley_terry_loss: the two rewards must have the same shape, got "
            f"{tuple(reward_preferred.shape)} and {tuple(reward_rejected.shape)}"
        )
    # logsigmoid, and not log(sigmoid(...)): the sigmoid of -200 is 0 in float32, and its log -inf.
    return -F.logsigmoid(reward_preferred - reward_rejected).mean()
