"""What bounds every curve of lesson 8: the best policy of a world at a price, all of it counted."""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from reward_lab import rlhf
from reward_lab.rlhf import Known, World

BETA = 0.5
"""The price of a nat, in the whole lesson."""


@dataclass(frozen=True)
class Limits:
    """What the best policy for the gold reward is worth at a price, all of it exact."""

    policy: Tensor
    value: float
    kl: float
    gold: float
    start: float
    """J of the reference: its gold reward."""
    road: tuple[list[float], list[float]]
    """KL and gold of the best policy at many prices: no policy has more gold at that KL."""

    @classmethod
    def of(cls, known: Known, beta: float = BETA) -> "Limits":
        """Count everything once."""
        best = rlhf.kl_optimal_policy(known.gold, known.reference, beta)
        return cls(
            best,
            rlhf.optimal_value(known.gold, known.log_reference, beta),
            rlhf.kl_divergence(best.log(), known.log_reference),
            (best * known.gold).sum().item(),
            rlhf.expectation(known.log_reference, known.gold),
            _road(known),
        )

    def share(self, value: float) -> float:
        """How much of the way from the reference to the best policy this J stands."""
        return (value - self.start) / (self.value - self.start)


def _road(known: Known) -> tuple[list[float], list[float]]:
    prices = torch.logspace(1.5, -0.6, 25, dtype=torch.float64).tolist()
    policies = [rlhf.kl_optimal_policy(known.gold, known.reference, price) for price in prices]
    kls = [rlhf.kl_divergence(policy.log(), known.log_reference) for policy in policies]
    return kls, [(policy * known.gold).sum().item() for policy in policies]


def short(world: World, length: int = 3) -> World:
    """The same language and the same wishes, with shorter texts."""
    return dataclasses.replace(world, length=length)
