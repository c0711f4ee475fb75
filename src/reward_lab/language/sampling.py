"""Answers of a causal language model of transformers: drawn token by token, or scored as they stand.

Prompts go through the model once, however many answers are drawn to them, and rows that have ended leave the batch.
`generate` of transformers does the same job; it keeps neither a token's log-probability under the full distribution
nor a text's mean hidden state without keeping all logits and all hidden states.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .ecosystem import quiet

PADDING = -1


@dataclass(frozen=True)
class Drawn:
    """Answers, what the model thought of each token, and the vector of each text."""

    tokens: Tensor
    """(batch, most) int64; PADDING after the end."""
    log_probs: Tensor
    """(batch, most) float32: of each token given all before it; 0 after the end."""
    vectors: Tensor
    """(batch, dim) float32: mean over the answer's tokens of the last hidden state."""

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def mask(self) -> Tensor:
        """(batch, most) bool: where a token stands."""
        return self.tokens != PADDING

    def rows(self, number: int) -> list[int]:
        """The token ids of one answer."""
        return self.tokens[number][self.mask[number]].tolist()

    @classmethod
    def together(cls, parts: Sequence["Drawn"]) -> "Drawn":
        """Several batches as one."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in cls.__annotations__))


@torch.inference_mode()
def draw_answers(
    model, prompts: Sequence[Sequence[int]], stops: Tensor, most: int, generator: torch.Generator
) -> Drawn:
    """Draw one answer to each prompt, at temperature 1 from all of the vocabulary.

    Args:
        model: a causal language model of transformers, with `model` (ids to hidden states) and `lm_head`.
        prompts: token ids of each; equal ones are read once.
        stops: (vocab,) bool: tokens that end an answer. They belong to it.
        most: tokens of an answer at most.
        generator: on the model's device.
    """
    with quiet():
        cache, mask, place, hidden = _read(model, prompts)
        count = len(prompts)
        tokens = torch.full((count, most), PADDING, device=mask.device)
        log_probs = torch.zeros(count, most, device=mask.device)
        sums = torch.zeros(count, hidden.shape[-1], device=mask.device)
        rows = torch.arange(count, device=mask.device)
        for step in range(most):
            likely = model.lm_head(hidden).float().log_softmax(-1)
            new = torch.multinomial(likely.exp(), 1, generator=generator)  # (rows, 1)
            tokens[rows, step] = new[:, 0]
            log_probs[rows, step] = likely.gather(1, new)[:, 0]
            mask, place = torch.cat([mask, torch.ones_like(new)], dim=1), place + 1
            hidden, cache = _go_on(model, new, cache, mask, place[:, None])
            hidden = hidden[:, -1]
            sums[rows] += hidden.float()
            going = (~stops[new[:, 0]]).nonzero()[:, 0]
            if not len(going):
                break
            if len(going) < len(rows):
                cache.batch_select_indices(going)
                rows, mask, place, hidden = rows[going], mask[going], place[going], hidden[going]
    means = sums / (tokens != PADDING).sum(dim=1, keepdim=True)
    return Drawn(tokens.cpu(), log_probs.cpu(), means.cpu())


@torch.inference_mode()
def score_answers(model, prompts: Sequence[Sequence[int]], tokens: Tensor) -> Drawn:
    """Log-probabilities and vectors of answers that somebody else wrote.

    Args:
        model: as for draw_answers.
        prompts: token ids of each answer's prompt.
        tokens: (batch, most) int64, PADDING after the end of each answer.
    """
    with quiet():
        cache, mask, place, before = _read(model, prompts)
        tokens = tokens.to(mask.device)
        there = tokens != PADDING
        ids = tokens.clamp(min=0)
        places = place[:, None] + 1 + torch.arange(tokens.shape[1], device=mask.device)
        hidden, _ = _go_on(model, ids, cache, torch.cat([mask, there.long()], dim=1), places)
        asked = torch.cat([before[:, None], hidden[:, :-1]], dim=1)  # what predicts each token
        log_probs = torch.zeros(tokens.shape, device=mask.device)
        likely = model.lm_head(asked[there]).float().log_softmax(-1)
        log_probs[there] = likely.gather(1, tokens[there][:, None])[:, 0]
    means = (hidden.float() * there[:, :, None]).sum(dim=1) / there.sum(dim=1, keepdim=True)
    return Drawn(tokens.cpu(), log_probs.cpu(), means.cpu())


def _read(model, prompts: Sequence[Sequence[int]]) -> tuple[object, Tensor, Tensor, Tensor]:
    """Each different prompt once, padded on the left: for every row the cache, the mask, the last place, the last state."""
    different = {tuple(prompt): number for number, prompt in enumerate(dict.fromkeys(map(tuple, prompts)))}
    width, device = max(map(len, different)), next(model.parameters()).device
    ids = torch.tensor([[0] * (width - len(p)) + list(p) for p in different], device=device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in different], device=device)
    place = (mask.cumsum(dim=1) - 1).clamp(min=0)
    read = model.model(ids, attention_mask=mask, position_ids=place, use_cache=True)
    rows = torch.tensor([different[tuple(prompt)] for prompt in prompts], device=device)
    read.past_key_values.batch_select_indices(rows)
    return read.past_key_values, mask[rows], place[rows, -1], read.last_hidden_state[rows, -1]


def _go_on(model, ids: Tensor, cache: object, mask: Tensor, places: Tensor) -> tuple[Tensor, object]:
    read = model.model(ids, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True)
    return read.last_hidden_state, read.past_key_values
