"""A world of which everything has been counted, and what follows from that about judgements."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .worlds import World


@dataclass(frozen=True)
class Known:
    """A world with all that is known about it: its texts, their log-probabilities and gold rewards, on one device."""

    world: World
    texts: Tensor
    log_reference: Tensor
    gold: Tensor

    @classmethod
    def of(cls, world: World, device: torch.device | str = "cpu") -> "Known":
        """Count everything once."""
        texts = world.sequences(device)
        return cls(world, texts, world.reference_log_probs(device), world.gold(texts))

    @property
    def reference(self) -> Tensor:
        """Probability of each text, (size,) float64."""
        return self.log_reference.exp()


def win_probability(known: Known, first: Tensor, second: Tensor) -> float:
    """The exact probability that a text of the first distribution wins a judgement against one of the second."""
    levels, mass = by_gold(known, first, second)
    return (mass[0] @ torch.sigmoid(levels.unsqueeze(1) - levels) @ mass[1]).item()


def best_accuracy(known: Known) -> float:
    """The expected accuracy of the gold reward on pairs of the reference: E[max(p, 1 - p)], summed over all pairs."""
    levels, (mass,) = by_gold(known, known.reference)
    p = torch.sigmoid(levels.unsqueeze(1) - levels)
    return (mass @ torch.maximum(p, 1 - p) @ mass).item()


def best_loss(known: Known) -> float:
    """The expected log loss of the gold reward on pairs of the reference, in nats: E[H(p)], which no reward can beat."""
    levels, (mass,) = by_gold(known, known.reference)
    difference = levels.unsqueeze(1) - levels
    entropy = -torch.sigmoid(difference) * F.logsigmoid(
        difference
    )  # of one outcome; the other is its mirror image
    return 2 * (mass @ entropy @ mass).item()


def by_gold(known: Known, *policies: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The gold rewards that there are, ascending, and the probability that each policy has of each."""
    levels, level = known.gold.unique(return_inverse=True)
    return levels, [levels.new_zeros(len(levels)).index_add(0, level, policy) for policy in policies]


def beats_reference(known: Known) -> Tensor:
    """Exact probability that each text wins a judgement against one of the reference: (size,) float64."""
    levels, (mass,) = by_gold(known, known.reference)
    wins = torch.sigmoid(levels.unsqueeze(1) - levels) @ mass  # (levels,)
    return wins[torch.searchsorted(levels, known.gold)]


def mean_log_ratios(known: Known, policy: Tensor) -> tuple[float, float]:
    """Exact mean log-ratio of preferred and of rejected texts, over judged pairs of the reference.

    Args:
        policy: (size,) probabilities, above 0.

    Returns:
        Means of log(policy / reference), in nats: of the texts that win, and of those that lose.
    """
    weighted = known.reference * (policy.log() - known.log_reference)
    wins = beats_reference(
        known
    )  # a text is one of two in a pair, so a winner is drawn with 2 * reference * wins
    return 2 * (weighted * wins).sum().item(), 2 * (weighted * (1 - wins)).sum().item()
