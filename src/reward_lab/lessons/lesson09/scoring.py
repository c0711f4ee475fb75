"""Log-probabilities of answers under a causal language model that is called as those of transformers are."""

from collections.abc import Sequence

import torch
from torch import Tensor

from reward_lab.rlhf.dpo import sequence_log_probs


def answer_log_probs(model, rows: Sequence[Sequence[int]], starts: Sequence[int], pad_id: int) -> Tensor:
    """Log-probability of each conversation's answer.

    Args:
        model: called with ids and `attention_mask`, (batch, seq) int64 each; its output has `logits`, (batch, seq, vocab).
        rows: token ids of whole conversations, of any lengths.
        starts: of each, the place of the answer's first token, at least 1. The answer goes on to the end of its row.
        pad_id: fills up shorter rows. It may be a token of a conversation too.

    Returns:
        (batch,) sums over the answers' tokens, on the model's device; gradients flow into the model.
    """
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[pad_id] * (width - len(row))] for row in rows], device=model.device)
    place = torch.arange(width, device=model.device)
    there = place < torch.tensor([len(row) for row in rows], device=model.device)[:, None]
    counts = there & (place >= torch.tensor(starts, device=model.device)[:, None])
    logits = model(ids, attention_mask=there.long()).logits
    return sequence_log_probs(logits, ids, counts)
