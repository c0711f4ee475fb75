"""Improving a policy with a reward, in worlds so small that the best policy is known."""

from .best_of_n import best_of_n, best_of_n_estimate, best_of_n_kl_bound, best_of_n_path, choose_n
from .dpo import dpo_loss, dpo_step, implicit_reward, ipo_loss, preference_step, sequence_log_probs
from .dpo_training import (
    DPOConfig,
    DPOHistory,
    as_batch,
    fixed_pairs,
    policy_pairs,
    reference_pairs,
    shuffled_rows,
    train_dpo,
    uniform_pairs,
)
from .ensembles import conservative_reward, fit_rewards
from .known import Known, beats_reference, best_accuracy, best_loss, by_gold, mean_log_ratios, win_probability
from .overoptimization import explained, fit_overoptimization, fitted_gain
from .policy import CausalPolicy, Policy, ValueModel
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
    "CausalPolicy",
    "DPOConfig",
    "DPOHistory",
    "Known",
    "Policy",
    "RLConfig",
    "RLHistory",
    "ValueModel",
    "World",
    "as_batch",
    "beats_reference",
    "best_accuracy",
    "best_loss",
    "best_of_n",
    "best_of_n_estimate",
    "best_of_n_kl_bound",
    "best_of_n_path",
    "by_gold",
    "choose_n",
    "conservative_reward",
    "correlation",
    "dpo_loss",
    "dpo_step",
    "expectation",
    "explained",
    "fit_overoptimization",
    "fit_rewards",
    "fitted_gain",
    "fixed_pairs",
    "gae",
    "help_desk",
    "implicit_reward",
    "ipo_loss",
    "kl_divergence",
    "kl_estimators",
    "kl_optimal_policy",
    "kl_shaped_rewards",
    "mean_log_ratios",
    "optimal_value",
    "policy_gradient_loss",
    "policy_pairs",
    "ppo_loss",
    "preference_step",
    "reference_pairs",
    "regularised_value",
    "sequence_log_probs",
    "shuffled_rows",
    "train_dpo",
    "train_ppo",
    "train_reinforce",
    "uniform_pairs",
    "win_probability",
]
