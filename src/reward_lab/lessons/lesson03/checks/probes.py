"""What lesson 3's checks send instead of objects: a torch.Generator, a model of rewards, and people who judge."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reward_lab.checks.probes import RECIPES
from reward_lab.checks.surroundings import seed_of_the_call


def _build(data: dict, built: Sequence[object], device: str) -> torch.Generator:
    """A generator from `seed`, that has already drawn `drawn` numbers."""
    generator = torch.Generator(device).manual_seed(data["seed"])
    torch.rand(data["drawn"], generator=generator, device=device)
    return generator


def _state(generator: torch.Generator) -> dict:
    """`seed` it was last seeded with, whether it `moved` since, and whether the global generator was `reseeded`."""
    fresh = torch.Generator(generator.device).manual_seed(generator.initial_seed())
    return {
        "seed": generator.initial_seed(),
        "reseeded": torch.initial_seed() != seed_of_the_call(),
        "moved": not torch.equal(fresh.get_state(), generator.get_state()),
    }


RECIPES["generator"] = (_build, _state)


class ProbeRewards(nn.Module):
    """One weight per feature: (n, d) -> (n,)."""

    def __init__(self, weights: Tensor):
        super().__init__()
        self.weights = nn.Parameter(weights.clone())

    def forward(self, features: Tensor) -> Tensor:
        return features @ self.weights


class ProbePeople:
    """Gives the first row of labels when it is asked for the first time, then the second, and so on, over and over."""

    def __init__(self, labels: Tensor):
        self.labels, self.asked = labels, 0

    def __call__(self) -> Tensor:
        self.asked += 1
        return self.labels[(self.asked - 1) % len(self.labels)].clone()


def _build_rewards(data: dict, built: Sequence[object], device: str) -> ProbeRewards:
    model = ProbeRewards(data["weights"]).to(device)
    model.weights.grad = data["gradient"].clone().to(device)
    return model


def _rewards_state(model: ProbeRewards) -> dict:
    return {"weights": model.weights.detach().clone()}


RECIPES["rewards"] = (_build_rewards, _rewards_state)
RECIPES["people"] = (
    lambda data, built, device: ProbePeople(data["labels"].to(device)),
    lambda people: {"asked": people.asked},
)
