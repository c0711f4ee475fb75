"""A colleague's training, which section 5 of lesson 3 asks to be mended, and what runs a training like it."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reward_lab.statistics.noise import Comparisons, noisy_labels

from .networks import new_network

People = Callable[[], Tensor]
"""Asks people about all pairs: (n,) bool, whether each prefers the first text."""
Training = Callable[[nn.Module, torch.optim.Optimizer, Tensor, Tensor, People, int], list[float]]


def colleagues_training(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    first: Tensor,
    second: Tensor,
    people: People,
    steps: int,
) -> list[float]:
    """A colleague's training. Section 5 of lesson 3 asks what is wrong with it."""
    losses = []
    for _ in range(steps):
        preferred = people()  # (n,) bool: whether the first text is preferred
        margin = model(first) - model(second)
        signed = torch.where(preferred, margin, -margin)
        loss = F.softplus(-signed).mean()

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def train_network(
    training: Training, pairs: Comparisons, flip_rate: float, seed: int, steps: int = 200
) -> tuple[nn.Module, list[float]]:
    """The network of section 5, trained by somebody's program on people who slip.

    Args:
        training: the program.
        pairs: the training pairs.
        flip_rate: how often people slip.
        seed: of the initial weights and of the people.
        steps: how many.

    Returns:
        The model, and what the program returned.
    """
    p, generator = pairs.p.cpu(), torch.Generator().manual_seed(seed)
    model = new_network(pairs.first.shape[1], seed).to(pairs.first.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def people() -> Tensor:
        return noisy_labels(p, flip_rate, generator).to(pairs.first.device)

    return model, training(model, optimizer, pairs.first, pairs.second, people, steps)
