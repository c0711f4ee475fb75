"""Score and rank texts with a trained reward model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..metrics import score_in_batches
from ..reward_model import RewardModel
from .preferences import join_prompt
from .tokenizer import PADDING_ID, UNKNOWN_ID

Scorer = Callable[[Sequence[tuple[str, str]]], np.ndarray]
"""Takes (prompt, completion) of each text, and gives their rewards, (n,) float64."""


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


def load_scorer(folder: str | Path, device: torch.device | str = "cpu") -> Scorer:
    """What gives the rewards of the model in a folder, whatever kind of model it is.

    Raises:
        FileNotFoundError: there is no such folder, or no model in it.
        ValueError: the model can't be read, or reads no texts, or there is no such device.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device {device}: this machine has none ({str(error).splitlines()[0][:80]})"
        ) from None
    model = RewardModel.from_pretrained(folder, torch.device(device))
    score_texts(model, [])  # raises for a model of token ids

    def scorer(texts: Sequence[tuple[str, str]]) -> np.ndarray:
        scores = score_texts(model, [join_prompt(*text) for text in texts])
        return np.array([score.reward for score in scores], dtype=np.float64)

    return scorer


def _score(completion: str, reward: float, ids: list[int], truncated: bool) -> Score:
    return Score(completion, reward, len(ids), ids.count(UNKNOWN_ID), truncated)


def _rectangle(ids: list[list[int]]) -> torch.Tensor:
    width = max(1, max(map(len, ids)))
    return torch.tensor([row + [PADDING_ID] * (width - len(row)) for row in ids])
