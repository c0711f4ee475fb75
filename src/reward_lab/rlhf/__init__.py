"""Improving a policy with a reward, in worlds so small that the best policy is known."""

from .best_of_n import best_of_n, best_of_n_estimate, best_of_n_kl_bound, best_of_n_path, choose_n
from .ensembles import conservative_reward, fit_rewards
from .overoptimization import explained, fit_overoptimization, fitted_gain
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
    "best_of_n",
    "best_of_n_estimate",
    "best_of_n_kl_bound",
    "best_of_n_path",
    "choose_n",
    "conservative_reward",
    "correlation",
    "expectation",
    "explained",
    "fit_overoptimization",
    "fit_rewards",
    "fitted_gain",
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
