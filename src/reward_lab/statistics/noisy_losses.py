"""Losses for labels that may be wrong."""

import torch
import torch.nn.functional as F
from torch import Tensor


def smoothed_bt_loss(margin: Tensor, smoothing: float) -> Tensor:
    """Mean Bradley-Terry loss with smoothed labels: the target is 1 - smoothing in place of 1.

    For one pair with margin d the loss is -(1 - smoothing) log sigmoid(d) - smoothing log sigmoid(-d), the
    cross-entropy between the target and sigmoid(d). It is least at d = log((1 - smoothing) / smoothing), where
    sigmoid(d) is the target. Label smoothing is from Szegedy et al., "Rethinking the Inception architecture for
    computer vision" (2016), section 7. Theirs spreads the smoothing over all classes; for two classes their
    amount is twice the one here.

    Args:
        margin: (batch,) floating point, reward of the preferred text minus reward of the rejected one.
        smoothing: from 0 (the Bradley-Terry loss) to 0.5.

    Returns:
        A scalar tensor: the mean over the batch, in nats.

    Raises:
        ValueError: smoothing is outside 0 to 0.5.
    """
    _expect_rate("smoothed_bt_loss", "smoothing", smoothing)
    return -((1 - smoothing) * F.logsigmoid(margin) + smoothing * F.logsigmoid(-margin)).mean()


def flip_corrected_loss(margin: Tensor, flip_rate: float) -> Tensor:
    """Mean negative log-likelihood of labels that were flipped at a known rate after people had decided.

    For one pair with margin d the loss is -log[(1 - flip_rate) sigmoid(d) + flip_rate sigmoid(-d)]: the model's
    probability goes through the noise before it meets the label. This is the forward correction of Patrini et
    al., "Making deep neural networks robust to label noise" (2017), section 4, for two classes. It never
    exceeds -log(flip_rate).

    Args:
        margin: (batch,) floating point, reward of the text labelled as preferred minus that of the other.
        flip_rate: from 0 (the Bradley-Terry loss) to 0.5, where the labels say nothing.

    Returns:
        A scalar tensor: the mean over the batch, in nats.

    Raises:
        ValueError: flip_rate is outside 0 to 0.5.
    """
    _expect_rate("flip_corrected_loss", "flip_rate", flip_rate)
    rate = torch.tensor(flip_rate, dtype=margin.dtype, device=margin.device)
    # Sums of probabilities as logaddexp of logarithms; at rate 0 the second is -inf, and adds nothing.
    kept = torch.log1p(-rate) + F.logsigmoid(margin)
    flipped = torch.log(rate) + F.logsigmoid(-margin)
    return -torch.logaddexp(kept, flipped).mean()


def _expect_rate(function: str, name: str, value: float) -> None:
    if not 0 <= value <= 0.5:
        raise ValueError(f"{function}: {name} must be from 0 to 0.5, got {value}")
