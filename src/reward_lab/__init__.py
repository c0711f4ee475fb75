"""reward-lab: what the lessons on reward modelling import."""

from . import (
    ecosystem,
    grammar,
    noise_recipes,
    plots,
    plots_backbone,
    plots_noise,
    plots_rl,
    plots_statistics,
    pretraining,
    recipes,
    rl_recipes,
)
from .backbone import RewardFromBackbone, data_efficiency, last_token_pool, next_token_loss
from .bradley_terry import (
    bt_covariance,
    bt_information,
    bt_log_likelihood,
    bt_mle,
    bt_mm_path,
    bt_standard_errors,
    simulate_wins,
)
from .calibration import calibration, expected_ece, fit_temperature
from .data import SyntheticPreferenceDataset, draw_pairs, true_quality
from .datasets.baseball import load_baseball
from .encoder import SimpleTextEncoder
from .linear import fit_linear_bradley_terry, linear_reward, token_frequencies
from .losses import bradley_terry_loss, flip_corrected_loss, smoothed_bt_loss
from .metrics import held_out_report, preference_accuracy, score_in_batches
from .noise import Comparisons, Limits, PreferenceWorld, expected_scores, limits, noisy_labels
from .order_effect import bt_deviance, bt_order_effect, bt_order_standard_errors
from .plackett_luce import draw_rankings, pairs_of_rankings, plackett_luce_mle, plackett_luce_nll
from .policy import Policy, ValueModel
from .ppo import gae, kl_estimators, kl_optimal_policy, policy_gradient_loss, ppo_loss
from .preferences import EXAMPLE_PREFERENCES, Preference, Preferences, load_preferences
from .reward_model import RewardModel
from .rl_trainer import RLConfig, RLHistory, kl_shaped_rewards, train_ppo, train_reinforce
from .scoring import Score, rank_texts, score_texts
from .text_training import TextConfig, TextRun, train_on_preferences
from .ties import (
    Games,
    davidson_log_probabilities,
    davidson_nll,
    fit_bradley_terry,
    fit_davidson,
    fit_rao_kupper,
    load_puddings,
    rao_kupper_log_probabilities,
)
from .tokenizer import WordTokenizer
from .trainer import History, TrainConfig, train_reward_model, training_step
from .transformer import LanguageModel, TinyTransformer
from .win_graph import reachable
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
    "Comparisons",
    "EXAMPLE_PREFERENCES",
    "Games",
    "History",
    "LanguageModel",
    "Limits",
    "Policy",
    "Preference",
    "PreferenceWorld",
    "Preferences",
    "RLConfig",
    "RLHistory",
    "RewardFromBackbone",
    "RewardModel",
    "Score",
    "SimpleTextEncoder",
    "SyntheticPreferenceDataset",
    "TextConfig",
    "TextRun",
    "TinyTransformer",
    "TrainConfig",
    "ValueModel",
    "WordTokenizer",
    "World",
    "bradley_terry_loss",
    "bt_covariance",
    "bt_deviance",
    "bt_information",
    "bt_log_likelihood",
    "bt_mle",
    "bt_mm_path",
    "bt_order_effect",
    "bt_order_standard_errors",
    "bt_standard_errors",
    "calibration",
    "correlation",
    "data_efficiency",
    "davidson_log_probabilities",
    "davidson_nll",
    "draw_pairs",
    "draw_rankings",
    "ecosystem",
    "expectation",
    "expected_ece",
    "expected_scores",
    "fit_bradley_terry",
    "fit_davidson",
    "fit_linear_bradley_terry",
    "fit_rao_kupper",
    "fit_temperature",
    "flip_corrected_loss",
    "gae",
    "grammar",
    "held_out_report",
    "help_desk",
    "kl_divergence",
    "kl_estimators",
    "kl_optimal_policy",
    "kl_shaped_rewards",
    "last_token_pool",
    "limits",
    "linear_reward",
    "load_baseball",
    "load_preferences",
    "load_puddings",
    "next_token_loss",
    "noise_recipes",
    "noisy_labels",
    "optimal_value",
    "pairs_of_rankings",
    "plackett_luce_mle",
    "plackett_luce_nll",
    "plots",
    "plots_backbone",
    "plots_noise",
    "plots_rl",
    "plots_statistics",
    "policy_gradient_loss",
    "ppo_loss",
    "preference_accuracy",
    "pretraining",
    "rank_texts",
    "rao_kupper_log_probabilities",
    "reachable",
    "recipes",
    "regularised_value",
    "rl_recipes",
    "score_in_batches",
    "score_texts",
    "simulate_wins",
    "smoothed_bt_loss",
    "token_frequencies",
    "train_on_preferences",
    "train_ppo",
    "train_reinforce",
    "train_reward_model",
    "training_step",
    "true_quality",
]
