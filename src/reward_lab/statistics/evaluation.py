"""How good is a reward model, how sure is that, and what does it owe to length? Measures for held-out preferences."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..metrics import score_in_batches


def paired_test(right_a: Sequence[bool], right_b: Sequence[bool]) -> float:
    """Exact two-sided p-value of McNemar's test: are two models right equally often on the same pairs?

    Only pairs on which one model alone is right say anything. If the models are equally good, the number of those that
    are A's is binomial with probability 1/2 (McNemar, Note on the sampling error of the difference between correlated
    proportions, 1947; exact form: Agresti, Categorical Data Analysis, 10.1). The pairs must be independent: where one
    prompt has several, use `clustered_test`.

    Args:
        right_a: (n,) bool, whether the first model is right on each pair.
        right_b: (n,) bool, the same for the second.

    Returns:
        min(1, 2 P(X <= min(b, c))), where b and c count the pairs on which only the first, only the second is right;
        1 where there is none.

    Raises:
        ValueError: the lengths differ.
    """
    a, b = np.asarray(right_a, bool), np.asarray(right_b, bool)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"paired_test: expected two sequences of one length, got {a.shape} and {b.shape}")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    n = only_a + only_b
    # In logarithms: 2**n is no float above n = 1023.
    logs = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2)
        for k in range(min(only_a, only_b) + 1)
    ]
    return min(1.0, 2 * math.fsum(map(math.exp, logs)))


def counterfactual_effect(model: nn.Module, texts: Tensor, edited: Tensor) -> tuple[float, float]:
    """What an edit does to the reward: the mean difference edited - original, and its standard error.

    The differences are paired, so that what else the texts are drops out. The standard error is their standard deviation
    (with n - 1) divided by sqrt(n). The model is scored in evaluation mode, without gradients, and left as it was.

    Args:
        model: maps (batch, seq_len) token ids to (batch,) rewards.
        texts: (n, seq_len) int64, n >= 2.
        edited: (n, any length) int64; row i is text i after the edit.

    Raises:
        ValueError: the numbers of texts differ, or there are fewer than 2.
    """
    if len(texts) != len(edited) or len(texts) < 2:
        raise ValueError(
            f"counterfactual_effect: expected as many edited texts, got {len(texts)} and {len(edited)}"
        )
    after, before = (score_in_batches(model, side).double() for side in (edited, texts))
    difference = after - before
    return difference.mean().item(), difference.std().item() / math.sqrt(len(difference))


def length_controlled_win_rate(wins: Sequence[float], length_difference: Sequence[float]) -> float:
    """The win rate that a fit foretells for answers of equal length.

    Logistic regression P(win) = sigma(a + b tanh(d / s)), s the population standard deviation of d, by maximum likelihood
    without a penalty; the answer is sigma(a). After Dubois et al., Length-controlled AlpacaEval (2024), without their
    terms for the model and the instruction.

    Args:
        wins: (n,) from 0 to 1; 1 is a win, 0.5 a tie.
        length_difference: (n,) length of the answer in question minus length of the other one, in any unit.

    Raises:
        ValueError: the lengths differ, a win is not from 0 to 1, all differences are equal, or no fit is best (wins and
            losses can be told apart by length alone).
    """
    won, d = np.asarray(wins, float), np.asarray(length_difference, float)
    if won.shape != d.shape or won.ndim != 1 or not ((won >= 0) & (won <= 1)).all():
        raise ValueError(
            "length_controlled_win_rate: expected wins from 0 to 1, and as many length differences"
        )
    if len(d) == 0 or not d.std() > 0:
        raise ValueError(
            "length_controlled_win_rate: the length differences are all equal; nothing can be controlled"
        )
    wins_at, losses_at = d[won > 0], d[won < 1]
    if (
        not len(wins_at)
        or not len(losses_at)
        or wins_at.max() <= losses_at.min()
        or losses_at.max() <= wins_at.min()
    ):
        raise ValueError(
            "length_controlled_win_rate: no fit is best, length alone tells wins and losses apart"
        )
    x = np.stack([np.ones_like(d), np.tanh(d / d.std())], 1)
    weights = np.zeros(2)
    for _ in range(1000):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -500, 500)))
        slope = x.T @ (won - p)
        if np.abs(slope).max() < 1e-10 * len(d):
            break
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x, slope)
        weights += step / max(1.0, np.abs(step).max())  # Newton's step, of 1 at most: from afar it overshoots
    return float(1 / (1 + np.exp(-weights[0])))


def style_accuracy(preferred: Tensor, rejected: Tensor) -> dict[str, float]:
    """Accuracy where the style helps (easy), is equal (normal), and misleads (hard): RM-Bench (Liu et al., 2024).

    Of the 3 x 3 comparisons of a prompt, preferred style by rejected style, easy are those below the diagonal, normal the
    diagonal, hard those above it. A comparison is right if the preferred text has the strictly higher reward.

    Args:
        preferred: (n, 3) rewards, n >= 1, of the preferred text in three styles, from plain to long and formatted.
        rejected: (n, 3), the same for the rejected text.

    Raises:
        ValueError: the shapes are others.
    """
    if preferred.shape != rejected.shape or preferred.shape[1:] != (3,) or len(preferred) == 0:
        raise ValueError(
            f"style_accuracy: expected two (n, 3), got {tuple(preferred.shape)}, {tuple(rejected.shape)}"
        )
    right = (
        (preferred[:, :, None] > rejected[:, None, :]).double().mean(0)
    )  # (preferred style, rejected style)
    return {
        "easy": right.tril(-1).sum().item() / 3,
        "normal": right.trace().item() / 3,
        "hard": right.triu(1).sum().item() / 3,
    }


def best_of_k_accuracy(scores: Tensor) -> float:
    """How often the right answer has the highest reward of k; m answers that share the top get 1/m each.

    As RewardBench 2 counts (Malik et al., 2025). A row with NaN counts 0.

    Args:
        scores: (n, k) rewards, n >= 1; the right answer is in column 0.
    """
    return best_of_k(scores).mean().item()


def best_of_k(scores: Tensor) -> Tensor:
    """The share of each row in `best_of_k_accuracy`: (n, k) rewards, right answer first, to (n,) float64.

    Raises:
        ValueError: there is no row or no column.
    """
    if scores.dim() != 2 or scores.numel() == 0:
        raise ValueError(f"best_of_k: expected scores of shape (n, k), got {tuple(scores.shape)}")
    top = scores == scores.amax(1, keepdim=True)  # of NaN, nothing is equal to the maximum
    return torch.where(top[:, 0], 1 / top.sum(1).clamp(min=1), 0.0).double()
