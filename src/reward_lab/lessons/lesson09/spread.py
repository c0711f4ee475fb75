"""How far a policy is from its reference, from its own answers: nats per token, with a standard error."""

import torch
from torch import Tensor


def kl_per_token(policy: Tensor, reference: Tensor, mask: Tensor) -> tuple[float, float]:
    """Sampled KL per token and its standard error, with answers, not tokens, as the independent witnesses.

    With s_i the log-ratio of answer i and n_i its number of tokens the estimate is k = sum s / sum n: a ratio
    estimator, whose standard error is sqrt(sum (s_i - k n_i)^2 / (m (m - 1))) / mean n (Cochran, Sampling
    Techniques, 1977, section 6.3).

    Args:
        policy, reference: (m, seq) log-probabilities of single tokens of the policy's own answers.
        mask: (m, seq), 1 where a token stands; where it is 0 anything may stand in the other two.

    Returns:
        Nats per token, and the standard error; NaN where there is only one answer.

    Raises:
        ValueError: the shapes differ.
    """
    if not policy.shape == reference.shape == mask.shape or policy.dim() != 2:
        raise ValueError(
            "kl_per_token: expected three tensors of one shape (answers, seq), got "
            f"{tuple(policy.shape)}, {tuple(reference.shape)} and {tuple(mask.shape)}"
        )
    there = mask.bool()
    ratio = torch.where(there, policy.double() - reference.double(), 0.0).sum(dim=1)
    tokens = there.sum(dim=1).double()
    kl = ratio.sum() / tokens.sum()
    m = len(ratio)
    left = (ratio - kl * tokens).square().sum()
    error = (left / (m * (m - 1))).sqrt() / tokens.mean() if m > 1 else torch.tensor(float("nan"))
    return kl.item(), error.item()
