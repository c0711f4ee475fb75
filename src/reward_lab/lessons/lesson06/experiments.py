"""The experiments of lesson 6: its reward model, the noise of its gradients, a colleague's run."""

from dataclasses import dataclass

import torch
from torch import Tensor

from reward_lab.metrics import Pairs
from reward_lab.rlhf.ensembles import fit_rewards
from reward_lab.rlhf.policy import Policy
from reward_lab.rlhf.ppo import policy_gradient_loss
from reward_lab.rlhf.worlds import World
from reward_lab.trainer import History

NUM_PAIRS, NUM_HELD_OUT = 4000, 5000


def preference_pairs(world: World, seed: int) -> tuple[Pairs, Pairs]:
    """Training pairs and held-out pairs of a world, each pair judged once by a noisy judge."""
    train, held_out = (torch.Generator().manual_seed(s) for s in (seed, 1_000_000 + seed))
    return world.sample_preferences(NUM_PAIRS, train), world.sample_preferences(NUM_HELD_OUT, held_out)


def best_accuracy(world: World, pairs: Pairs) -> float:
    """The expected accuracy of the true reward on these pairs, which nothing can exceed: E[max(p, 1 - p)]."""
    probability = torch.sigmoid(world.gold(pairs[0]) - world.gold(pairs[1]))
    return torch.maximum(probability, 1 - probability).mean().item()


def fit_reward_model(
    world: World, seed: int = 0, places: bool = True, device: torch.device | str = "cpu"
) -> tuple[Tensor, History]:
    """Train lesson 1's RewardModel on preferences of a world, and score every text with it.

    Args:
        world: gives the preferences.
        seed: fixes pairs, initial weights and the order of batches.
        places: tell the model where each word stands (`World.with_places`). Without, it sees a bag of words.
        device: where to train.

    Returns:
        The rewards of all texts, (world.size,) float64, shifted so that their mean under the language is 0 (the loss
        can't see a shift); and the training's History.
    """
    train, held_out = preference_pairs(world, seed)
    return fit_rewards(world, train, held_out, seed, places, device)


@dataclass(frozen=True)
class GradientNoise:
    """Gradient estimates of many batches, held against the exact gradient.

    Fields: `variance`, the mean squared distance of one batch's estimate from the mean estimate; `signal`, the squared
    length of the exact gradient; `cosine`, the mean cosine between an estimate and the exact gradient.
    """

    variance: float
    signal: float
    cosine: float


def gradient_noise(
    policy: Policy,
    world: World,
    rewards: Tensor,
    baseline: bool,
    batches: int = 100,
    batch_size: int = 64,
    seed: int = 0,
) -> GradientNoise:
    """Draw batches, estimate the gradient of the expected reward from each, and compare with the exact one."""
    generator = torch.Generator(rewards.device).manual_seed(seed)
    rewards = rewards.float()
    exact = _gradient(policy, -(policy.all_log_probs().exp() * rewards).sum())
    estimates = []
    for _ in range(batches):
        token_ids = policy.sample(batch_size, generator)
        reward = rewards[world.numbers(token_ids)]
        others = (reward.sum() - reward) / (batch_size - 1) if baseline else 0.0
        estimates.append(
            _gradient(policy, policy_gradient_loss(policy(token_ids).sum(dim=1), reward, others))
        )
    estimate = torch.stack(estimates)  # (batches, parameters)
    cosine = torch.cosine_similarity(estimate, exact.unsqueeze(0)).mean()
    variance = estimate.var(dim=0).sum()
    return GradientNoise(variance.item(), exact.square().sum().item(), cosine.item())


def _gradient(policy: Policy, loss: Tensor) -> Tensor:
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(policy.parameters()))])


def colleagues_rewards(
    rewards: Tensor, log_probs: Tensor, reference_log_probs: Tensor, beta: float
) -> Tensor:
    """A colleague's version of kl_shaped_rewards. Section 9 of lesson 6 asks what is wrong with it."""
    shaped = beta * (log_probs - reference_log_probs)
    shaped[:, -1] += rewards
    return shaped
