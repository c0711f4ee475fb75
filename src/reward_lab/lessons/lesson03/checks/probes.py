"""A torch.Generator as a probe: the seed goes over, and the other side builds it on its own device."""

from collections.abc import Sequence

import torch

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
