"""The experiments of lesson 07, and its own version of each exercise."""

import torch
from torch import Tensor


def win_rate(first: Tensor, second: Tensor) -> float:
    """Share of comparisons that the first model wins; a tie is half a win.

    Args:
        first, second: (n,) scores of the two models' answers to the same n prompts.
    """
    return ((first > second).double() + 0.5 * (first == second).double()).mean().item()


def draw_scores(num_prompts: int, advantage: float, seed: int) -> tuple[Tensor, Tensor]:
    """Scores of two models on a scale of whole numbers. The first is better by `advantage` on average, before rounding.

    Returns:
        (num_prompts,) scores of the first model, and of the second, float32.
    """
    draw = torch.Generator().manual_seed(seed)
    noise = 2 * torch.randn(2, num_prompts, generator=draw)
    return (noise[0] + advantage).round(), noise[1].round()
