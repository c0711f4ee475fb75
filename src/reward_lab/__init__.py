"""reward-lab: what the lessons on reward modelling import."""

from . import plots, plots_rl, recipes, rl_recipes
from .data import SyntheticPreferenceDataset, draw_pairs, true_quality
from .encoder import SimpleTextEncoder
from .linear import fit_linear_bradley_terry, linear_reward, token_frequencies
from .losses import bradley_terry_loss
from .metrics import held_out_report, preference_accuracy, score_in_batches
from .policy import Policy, ValueModel
from .ppo import gae, kl_estimators, kl_optimal_policy, policy_gradient_loss, ppo_loss
from .reward_model import RewardModel
from .rl_trainer import RLConfig, RLHistory, kl_shaped_rewards, train_ppo, train_reinforce
from .trainer import History, TrainConfig, train_reward_model, training_step
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
    "History",
    "Policy",
    "RLConfig",
    "RLHistory",
    "RewardModel",
    "SimpleTextEncoder",
    "SyntheticPreferenceDataset",
    "TrainConfig",
    "ValueModel",
    "World",
    "bradley_terry_loss",
    "correlation",
    "draw_pairs",
    "expectation",
    "fit_linear_bradley_terry",
    "gae",
    "held_out_report",
    "help_desk",
    "kl_divergence",
    "kl_estimators",
    "kl_optimal_policy",
    "kl_shaped_rewards",
    "linear_reward",
    "optimal_value",
    "plots",
    "plots_rl",
    "policy_gradient_loss",
    "ppo_loss",
    "preference_accuracy",
    "recipes",
    "regularised_value",
    "rl_recipes",
    "score_in_batches",
    "token_frequencies",
    "train_ppo",
    "train_reinforce",
    "train_reward_model",
    "training_step",
    "true_quality",
]
