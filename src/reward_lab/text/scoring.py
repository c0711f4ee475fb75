"""Score and rank texts with a trained reward model."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..metrics import score_in_batches
from ..reward_model import RewardModel
from .preferences import join_prompt
from .tokenizer import PADDING_ID, UNKNOWN_ID


@dataclass(frozen=True)
class Score:
    """The reward of one text, and what it rests on."""

    completion: str
    reward: float
    """Only differences between rewards mean anything, and those best between completions of one prompt."""
    tokens: int
    """Tokens that were scored, those of the prompt included."""
    unknown: int
    """How many of them stand for a word outside the model's vocabulary."""
    truncated: bool
    """Whether the beginning of the text was cut off."""


def score_texts(model: RewardModel, completions: Sequence[str], prompt: str = "") -> list[Score]:
    """Score completions of one prompt, in the order given.

    Prompt and completion are scored as one text, joined by a line break, as in training. But for rounding, a
    score does not depend on what else is scored with it.

    Args:
        model: with a tokenizer, as RewardModel.from_pretrained and train_on_preferences give it.
        completions: any number of texts; they may be empty.
        prompt: may be empty.

    Raises:
        TypeError: one text is given where a list of texts is expected.
        ValueError: the model has no tokenizer: it was trained on token ids.
    """
    if isinstance(completions, str):
        raise TypeError("score_texts: expected a list of texts, got one text: put it in brackets")
    if model.tokenizer is None:
        raise ValueError(
            "score_texts: this model has no tokenizer; it was trained on token ids, not on texts"
        )
    device = next(model.parameters()).device
    scores = []
    # A few at a time: one long text makes only its own batch wide.
    for start in range(0, len(completions), 256):
        chunk = completions[start : start + 256]
        ids, truncated = model.tokenizer.encode([join_prompt(prompt, text) for text in chunk])
        rewards = score_in_batches(model, _rectangle(ids).to(device)).tolist()
        scores += map(_score, chunk, rewards, ids, truncated)
    return scores


def rank_texts(model: RewardModel, completions: Sequence[str], prompt: str = "") -> list[Score]:
    """The same, best first. Equal rewards keep their order."""
    return sorted(score_texts(model, completions, prompt), key=lambda score: -score.reward)


def _score(completion: str, reward: float, ids: list[int], truncated: bool) -> Score:
    return Score(completion, reward, len(ids), ids.count(UNKNOWN_ID), truncated)


def _rectangle(ids: list[list[int]]) -> torch.Tensor:
    width = max(1, max(map(len, ids)))
    return torch.tensor([row + [PADDING_ID] * (width - len(row)) for row in ids])
