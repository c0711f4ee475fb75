"""A world where people disagree, and the probability of every preference is known."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Comparisons(NamedTuple):
    """Pairs of texts whose preference probability is known. The texts come in no particular order."""

    first: Tensor
    """(n, num_features) float32, the features of the first text of each pair."""
    second: Tensor
    """(n, num_features) float32."""
    p: Tensor
    """(n,) float64, probability that a person prefers the first."""

    def to(self, device: torch.device | str) -> "Comparisons":
        """The same pairs on another device."""
        return Comparisons(*(part.to(device) for part in self))


class Limits(NamedTuple):
    """What no predictor can beat on average, whatever it is."""

    accuracy: float
    """Bayes accuracy, E[max(p, 1 - p)]."""
    brier: float
    """Brier floor, E[p (1 - p)]."""
    log_loss: float
    """Entropy floor in nats, E[-p log p - (1 - p) log(1 - p)]."""


@dataclass(frozen=True)
class PreferenceWorld:
    """Texts are points with independent standard normal features, and their true reward is linear.

    The first of two texts is preferred with probability sigmoid(reward of first - reward of second): the
    Bradley-Terry model holds exactly, and p is known for every pair.

    Fields: `num_features`; `scale`, the standard deviation of the true reward. At 1.6 two people who judge the
    same pair agree on 72 % of pairs, about as often as labelers (72.6 +- 1.5 %: Ouyang et al., 2022).
    """

    num_features: int = 20
    scale: float = 1.6

    def true_reward(self, features: Tensor) -> Tensor:
        """(n, num_features) -> (n,): `scale` times the normalised sum of the features."""
        return self.scale * features.sum(dim=1) / math.sqrt(self.num_features)

    def draw(self, n: int, generator: torch.Generator) -> Comparisons:
        """Draw n pairs on the CPU; they are a function of the (CPU) generator's state."""
        first, second = torch.randn(2, n, self.num_features, generator=generator)
        margin = self.true_reward(first).double() - self.true_reward(second).double()
        return Comparisons(first, second, torch.sigmoid(margin))


def noisy_labels(p: Tensor, flip_rate: float, generator: torch.Generator) -> Tensor:
    """Draw labels: a preference with probability p each, then a flip with probability flip_rate each.

    Args:
        p: floating point of any shape, probability that the first text is preferred.
        flip_rate: from 0 to 1, how often a label comes out as its opposite.
        generator: on p's device; the only source of randomness.

    Returns:
        bool, of p's shape and device. True: the label says that the first text is preferred.

    Raises:
        ValueError: flip_rate or some p is not from 0 to 1.
    """
    if not 0 <= flip_rate <= 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"noisy_labels: p and flip_rate must be from 0 to 1, got flip_rate {flip_rate}")
    preference = torch.rand(p.shape, generator=generator, device=p.device) < p
    flipped = torch.rand(p.shape, generator=generator, device=p.device) < flip_rate
    return preference ^ flipped


def limits(p: Tensor) -> Limits:
    """Bayes accuracy, Brier floor and entropy floor of pairs with these probabilities.

    Each is reached by the predictor that says p (Gneiting and Raftery, "Strictly proper scoring rules", 2007).

    Args:
        p: (n,) floating point.
    """
    p = p.double()
    entropy = torch.special.entr(p) + torch.special.entr(1 - p)
    return Limits(torch.maximum(p, 1 - p).mean().item(), (p * (1 - p)).mean().item(), entropy.mean().item())


def expected_scores(margin: Tensor, p: Tensor) -> Limits:
    """Accuracy, Brier score and log loss of a model, averaged over the labels that people with p would give.

    Nothing is drawn, so nothing is left to chance. Each stands beside the same field of `limits`.

    Args:
        margin: (n,) floating point, the model's reward of the first text minus that of the second. A margin
            of 0 is a wrong ranking whatever the label, as in `preference_accuracy`.
        p: (n,) floating point, true probability that the first is preferred.

    Returns:
        The three scores.
    """
    margin, p = margin.detach().double(), p.double()
    right = torch.where(margin > 0, p, 1 - p) * (margin != 0)
    q = torch.sigmoid(margin)
    # E[(q - label)^2] = (q - p)^2 + p (1 - p): what the model adds, and what no model can take away.
    brier = (q - p).square() + p * (1 - p)
    log_loss = -(p * F.logsigmoid(margin) + (1 - p) * F.logsigmoid(-margin))
    return Limits(right.mean().item(), brier.mean().item(), log_loss.mean().item())
