"""The linear Bradley-Terry model: the yardstick that a neural reward model has to beat."""

import torch
import torch.nn.functional as F
from torch import Tensor


def token_frequencies(token_ids: Tensor, vocab_size: int) -> Tensor:
    """Share of each token id in each text, the bag of words.

    Args:
        token_ids: (n, seq_len) int64.
        vocab_size: ids run from 0 to vocab_size - 1.

    Returns:
        (n, vocab_size) float64; rows sum to 1.
    """
    counts = torch.zeros(len(token_ids), vocab_size, dtype=torch.float64, device=token_ids.device)
    counts.scatter_add_(1, token_ids, torch.ones_like(token_ids, dtype=torch.float64))
    return counts / token_ids.shape[1]


def fit_linear_bradley_terry(
    preferred: Tensor, rejected: Tensor, vocab_size: int, l2: float = 3e-3
) -> Tensor:
    """Maximum a posteriori fit of a Bradley-Terry model with one weight per token.

    The reward of a text is the mean weight of its tokens. Minimises the convex function

        sum over pairs of -log sigmoid(reward_preferred - reward_rejected) + l2 / 2 * sum of squared weights,

    which is logistic regression without intercept on differences of token frequencies (Agresti,
    Categorical Data Analysis, section 10.6).

    Args:
        preferred: (n, seq_len) int64.
        rejected: (n, seq_len) int64.
        vocab_size: ids run from 0 to vocab_size - 1.
        l2: strength of the penalty, above 0: without one, separable pairs have no finite optimum.

    Returns:
        (vocab_size,) float64 weights.

    Raises:
        ValueError: l2 is not above 0.
    """
    if not l2 > 0:
        raise ValueError(f"fit_linear_bradley_terry: l2 must be above 0, got {l2}")
    difference = token_frequencies(preferred, vocab_size) - token_frequencies(rejected, vocab_size)
    weights = torch.zeros(vocab_size, dtype=torch.float64, device=preferred.device, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weights], max_iter=1000, tolerance_grad=1e-9, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        value = -F.logsigmoid(difference @ weights).sum() + l2 / 2 * weights.square().sum()
        value.backward()
        return value

    optimizer.step(objective)
    return weights.detach()


def linear_reward(weights: Tensor, token_ids: Tensor) -> Tensor:
    """Reward of each text under a linear model: the mean weight of its tokens.

    Args:
        weights: (vocab_size,) floating point.
        token_ids: (n, seq_len) int64.

    Returns:
        (n,) of the weights' dtype.
    """
    return weights[token_ids].mean(dim=1)
