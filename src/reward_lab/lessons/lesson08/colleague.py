"""A colleague's loss, which section 9 of lesson 8 asks to be mended, and what trains with it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from reward_lab.rlhf.dpo import Batch, dpo_loss
from reward_lab.rlhf.dpo_training import Step

WordsLoss = Callable[[Tensor, Tensor, Tensor, float], Tensor]
"""(policy_words, reference_words, mask, beta) -> loss, as `mended_loss`."""


def colleagues_loss(policy_words: Tensor, reference_words: Tensor, mask: Tensor, beta: float) -> Tensor:
    """A colleague's version of mended_loss. Section 9 of lesson 8 asks what is wrong with it."""

    def score(words: Tensor) -> Tensor:
        return (words * mask).sum(dim=-1) / mask.sum(dim=-1)  # (2, batch)

    policy, reference = score(policy_words), score(reference_words)
    return dpo_loss(policy[0], policy[1], reference[0], reference[1], beta)


def step_from_words(loss_fn: WordsLoss) -> Step:
    """A training step around a loss of the log-probabilities of single words. Both sides must be equally long."""

    def words_of(model: nn.Module, batch: Batch) -> Tensor:
        sides = [(model(batch[side])[:, :-1], batch[side][:, 1:]) for side in ("preferred", "rejected")]
        return torch.stack([x.log_softmax(-1).gather(-1, t.unsqueeze(-1)).squeeze(-1) for x, t in sides])

    def step(policy, reference, optimizer, batch, beta):
        mask = torch.stack([batch["preferred_mask"], batch["rejected_mask"]])[:, :, 1:].float()
        with torch.no_grad():
            reference_words = words_of(reference, batch)
        loss = loss_fn(words_of(policy, batch), reference_words, mask, beta)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step
