"""reward-lab: what the lessons on reward modelling import."""

from . import plots, plots_statistics, recipes
from .bradley_terry import (
    bt_covariance,
    bt_information,
    bt_log_likelihood,
    bt_mle,
    bt_mm_path,
    bt_standard_errors,
    simulate_wins,
)
from .data import SyntheticPreferenceDataset, draw_pairs, true_quality
from .datasets.baseball import load_baseball
from .encoder import SimpleTextEncoder
from .linear import fit_linear_bradley_terry, linear_reward, token_frequencies
from .losses import bradley_terry_loss
from .metrics import held_out_report, preference_accuracy, score_in_batches
from .order_effect import bt_deviance, bt_order_effect, bt_order_standard_errors
from .plackett_luce import draw_rankings, pairs_of_rankings, plackett_luce_mle, plackett_luce_nll
from .reward_model import RewardModel
from .trainer import History, TrainConfig, train_reward_model, training_step
from .win_graph import reachable

__all__ = [
    "History",
    "RewardModel",
    "SimpleTextEncoder",
    "SyntheticPreferenceDataset",
    "TrainConfig",
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
    "draw_pairs",
    "draw_rankings",
    "fit_linear_bradley_terry",
    "held_out_report",
    "linear_reward",
    "load_baseball",
    "pairs_of_rankings",
    "plackett_luce_mle",
    "plackett_luce_nll",
    "plots",
    "plots_statistics",
    "preference_accuracy",
    "recipes",
    "reachable",
    "score_in_batches",
    "simulate_wins",
    "token_frequencies",
    "train_reward_model",
    "training_step",
    "true_quality",
]
