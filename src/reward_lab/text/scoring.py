"""Score and rank texts with a trained reward model."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..metrics import score_in_batches
from ..reward_model import RewardModel
from .preferences import join_prompt
from .tokenizer import PADDING_ID, UNKNOWN_ID

if TYPE_CHECKING:  # transformers is imported only where such a model is used
    from ..language.reward_folder import LanguageReward

CHUNK = 1024
"""Texts that are held at a time. Those of a language model go through it in batches of like length."""


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


def require_device(device: torch.device | str) -> None:
    """Raise ValueError, with what torch says, where there is no such device."""
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"--device {device}: this machine has none that torch can use ({str(error).splitlines()[0][:80]})"
        ) from None


def load_reward_model(
    folder: str | Path, device: torch.device | str = "cpu"
) -> "RewardModel | LanguageReward":
    """Read a reward model's folder, whichever kind it holds: a bag of words, or a model of transformers.

    Raises:
        FileNotFoundError: there is no such folder, or no model in it.
        ValueError: the model is damaged, or no reward model.
        ModuleNotFoundError: a library that the model needs is not installed.
    """
    folder = Path(folder)
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        config = None  # whatever is wrong with it, RewardModel says so
    if isinstance(config, dict) and "model_type" in config:
        from ..language.reward_folder import LanguageReward

        return LanguageReward.from_pretrained(folder, device)
    return RewardModel.from_pretrained(folder, torch.device(device))


def score_pairs(model: "RewardModel | LanguageReward", texts: Iterable[tuple[str, str]]) -> Iterator[Score]:
    """Score any number of (prompt, completion), in the order given. They are read, and scores come out, as a stream.

    Prompt and completion are scored as one text, as in training: joined by a line break, or by the model's chat
    template. But for rounding, a score does not depend on what else is scored with it.

    Args:
        model: what load_reward_model gives; a RewardModel must have a tokenizer.
        texts: pairs of prompt and completion; either may be empty.

    Raises:
        ValueError: the model has no tokenizer: it was trained on token ids.
    """
    words = isinstance(model, RewardModel)
    if words and model.tokenizer is None:
        raise ValueError("this model has no tokenizer; it was trained on token ids, not on texts")
    texts = iter(texts)
    # A few at a time: one long text makes only its own batch wide.
    while chunk := list(islice(texts, 256 if words else CHUNK)):
        yield from (_by_words if words else _by_language_model)(model, chunk)


def score_texts(
    model: "RewardModel | LanguageReward", completions: Sequence[str], prompt: str = ""
) -> list[Score]:
    """Score completions of one prompt, in the order given. See score_pairs.

    Args:
        model: with a tokenizer, as load_reward_model and train_on_preferences give it.
        completions: any number of texts; they may be empty.
        prompt: may be empty.

    Raises:
        TypeError: one text is given where a list of texts is expected.
        ValueError: the model has no tokenizer: it was trained on token ids.
    """
    if isinstance(completions, str):
        raise TypeError("score_texts: expected a list of texts, got one text: put it in brackets")
    return list(score_pairs(model, ((prompt, text) for text in completions)))


def rank_texts(
    model: "RewardModel | LanguageReward", completions: Sequence[str], prompt: str = ""
) -> list[Score]:
    """The same, best first. Equal rewards keep their order."""
    return sorted(score_texts(model, completions, prompt), key=lambda score: -score.reward)


def _by_words(model: RewardModel, chunk: list[tuple[str, str]]) -> Iterator[Score]:
    device = next(model.parameters()).device
    ids, truncated = model.tokenizer.encode([join_prompt(*pair) for pair in chunk])
    rewards = score_in_batches(model, _rectangle(ids).to(device)).tolist()
    for (_, completion), reward, row, cut in zip(chunk, rewards, ids, truncated, strict=True):
        yield Score(completion, reward, len(row), row.count(UNKNOWN_ID), cut)


def _by_language_model(model: "LanguageReward", chunk: list[tuple[str, str]]) -> Iterator[Score]:
    ids = model.encode(*zip(*chunk, strict=True))
    rewards = model.rewards(ids.rows)
    for (_, completion), reward, row, cut in zip(chunk, rewards, ids.rows, ids.truncated, strict=True):
        yield Score(completion, reward, len(row), model.unknown(row), cut)


def _rectangle(ids: list[list[int]]) -> torch.Tensor:
    width = max(1, max(map(len, ids)))
    return torch.tensor([row + [PADDING_ID] * (width - len(row)) for row in ids])
