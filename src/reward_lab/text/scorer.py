"""The one way from a folder with a reward model to rewards of texts, whatever kind of model it is."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from .scoring import load_reward_model, require_device, score_pairs, score_texts

Scorer = Callable[[Sequence[tuple[str, str]]], np.ndarray]
"""Takes (prompt, completion) of each text, and gives their rewards, (n,) float64."""


def load_scorer(folder: str | Path, device: torch.device | str = "cpu") -> Scorer:
    """What gives the rewards of the model in a folder, whatever kind of model it is.

    Raises:
        FileNotFoundError: there is no such folder, or no model in it.
        ValueError: the model can't be read, or reads no texts, or there is no such device.
        ModuleNotFoundError: a library that the model needs is not installed.
    """
    require_device(device)
    model = load_reward_model(folder, torch.device(device))
    score_texts(model, [])  # raises for a model of token ids

    def scorer(texts: Sequence[tuple[str, str]]) -> np.ndarray:
        return np.array([score.reward for score in score_pairs(model, texts)], dtype=np.float64)

    return scorer
