"""Direct preference optimisation: log-probabilities of texts, two losses, the reward behind a policy, one step."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .worlds import expectation

Batch = Mapping[str, Tensor]
"""`preferred` and `rejected`, (batch, seq) int64 each, and `preferred_mask` and `rejected_mask` of the same shapes."""


def sequence_log_probs(logits: Tensor, token_ids: Tensor, mask: Tensor) -> Tensor:
    """Log-probability of each text's answer: the sum over its tokens, given all tokens before them.

    Args:
        logits: (batch, seq, vocab) floating point. Those at place t predict token t + 1, so the last ones predict nothing.
        token_ids: (batch, seq) int64. Where `mask` is 0 any number may stand, -100 among them.
        mask: (batch, seq), bool or numbers: 1 where a token belongs to the answer, 0 for prompt and padding. The first
            token has nothing before it and never counts.

    Returns:
        (batch,) in the dtype of the logits: a sum, not a mean. An answer without tokens has 0.

    Raises:
        ValueError: the shapes don't fit.
    """
    if logits.dim() != 3 or not logits.shape[:2] == token_ids.shape == mask.shape:
        raise ValueError(
            "sequence_log_probs: expected logits (batch, seq, vocab), token_ids and mask (batch, seq), got "
            f"{tuple(logits.shape)}, {tuple(token_ids.shape)} and {tuple(mask.shape)}"
        )
    counts = mask[:, 1:].bool()
    targets = token_ids[:, 1:].masked_fill(~counts, 0)
    log_probs = logits[:, :-1].log_softmax(dim=-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return log_probs.masked_fill(~counts, 0.0).sum(dim=1)  # (batch, seq - 1) -> (batch,)


def _hold_to_one_shape(name: str, *log_probs: Tensor) -> None:
    shapes = {tuple(x.shape) for x in log_probs}
    if len(shapes) > 1 or log_probs[0].dim() != 1:
        raise ValueError(
            f"{name}: all four must have the same shape (batch,), got {', '.join(map(str, shapes))}"
        )


def dpo_loss(
    policy_preferred: Tensor,
    policy_rejected: Tensor,
    reference_preferred: Tensor,
    reference_rejected: Tensor,
    beta: float,
    smoothing: float = 0.0,
) -> Tensor:
    """The loss of direct preference optimisation (Rafailov et al., 2023, equation 7), with label smoothing.

    With h the log-ratio of the preferred text minus that of the rejected one: the mean of
    -(1 - smoothing) log sigmoid(beta h) - smoothing log sigmoid(-beta h). Smoothing is "conservative DPO" (Mitchell, 2023).

    Args:
        policy_preferred, policy_rejected: (batch,) log-probabilities under the policy, which carry the gradient.
        reference_preferred, reference_rejected: (batch,) under the reference. No gradient goes through them.
        beta: price of a nat of KL, above 0.
        smoothing: probability that a judgement is the wrong way round, 0 to 0.5.

    Returns:
        A scalar tensor.

    Raises:
        ValueError: the shapes differ.
    """
    _hold_to_one_shape("dpo_loss", policy_preferred, policy_rejected, reference_preferred, reference_rejected)
    h = (policy_preferred - policy_rejected) - (reference_preferred - reference_rejected).detach()
    return (-(1 - smoothing) * F.logsigmoid(beta * h) - smoothing * F.logsigmoid(-beta * h)).mean()


def ipo_loss(
    policy_preferred: Tensor,
    policy_rejected: Tensor,
    reference_preferred: Tensor,
    reference_rejected: Tensor,
    tau: float,
) -> Tensor:
    """The loss of identity preference optimisation (Azar et al., 2023, equation 17): the mean of (h - 1 / (2 tau))^2.

    Args:
        policy_preferred, policy_rejected, reference_preferred, reference_rejected: as for `dpo_loss`.
        tau: price of a nat of KL, above 0.

    Returns:
        A scalar tensor.

    Raises:
        ValueError: the shapes differ.
    """
    _hold_to_one_shape("ipo_loss", policy_preferred, policy_rejected, reference_preferred, reference_rejected)
    h = (policy_preferred - policy_rejected) - (reference_preferred - reference_rejected).detach()
    return (h - 1 / (2 * tau)).square().mean()


def implicit_reward(policy: Tensor, reference: Tensor, beta: float) -> Tensor:
    """The reward for which a policy is the best one at the price beta, with mean 0 under the reference.

    beta log(policy / reference), which is that reward but for a constant (Rafailov et al., 2023, equation 5).

    Args:
        policy, reference: (n,) probabilities of all texts, above 0.
        beta: price of a nat, above 0.

    Returns:
        (n,) in the inputs' dtype.

    Raises:
        ValueError: the shapes differ.
    """
    if policy.shape != reference.shape or policy.dim() != 1:
        raise ValueError(
            f"implicit_reward: expected two tensors of shape (n,), got {tuple(policy.shape)} and {tuple(reference.shape)}"
        )
    reward = beta * (policy.log() - reference.log())
    return reward - expectation(reference.log(), reward)


def dpo_step(
    policy: nn.Module, reference: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, beta: float
) -> float:
    """One step of DPO on one batch of pairs.

    Args:
        policy: a language model, token ids (batch, seq) -> logits (batch, seq, vocab), which is trained.
        reference: another one, which is left as it is.
        optimizer: of the policy's parameters.
        batch: see Batch.
        beta: price of a nat of KL.

    Returns:
        The loss before the step.
    """
    return preference_step(dpo_loss, policy, reference, optimizer, batch, beta)


def preference_step(
    loss_fn: Callable[..., Tensor],
    policy: nn.Module,
    reference: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    beta: float,
    log_probs: Callable[[Tensor, Tensor, Tensor], Tensor] = sequence_log_probs,
) -> float:
    """`dpo_step` with another loss of (policy's, reference's log-probabilities, beta), or another score of a text."""

    def of_both(model: nn.Module) -> list[Tensor]:
        return [
            log_probs(model(batch[side]), batch[side], batch[f"{side}_mask"])
            for side in ("preferred", "rejected")
        ]

    with torch.no_grad():
        references = of_both(reference)
    loss = loss_fn(*of_both(policy), *references, beta)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
