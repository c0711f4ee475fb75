"""Improving a policy with a reward, in worlds so small that the best policy is known."""

from .policy import Policy, ValueModel
from .ppo import gae, kl_estimators, kl_optimal_policy, policy_gradient_loss, ppo_loss
from .training import RLConfig, RLHistory, kl_shaped_rewards, train_ppo, train_reinforce
from .worlds import (
    World,
    correlation,
    expectation,
    help_desk,
    kl_divergence,
    optimal_value,
    regularised_value,
)

__all__ = [
    "Policy",
    "RLConfig",
    "RLHistory",
    "ValueModel",
    "World",
    "correlation",
    "expectation",
    "gae",
    "help_desk",
    "kl_divergence",
    "kl_estimators",
    "kl_optimal_policy",
    "kl_shaped_rewards",
    "optimal_value",
    "policy_gradient_loss",
    "ppo_loss",
    "regularised_value",
    "train_ppo",
    "train_reinforce",
]
