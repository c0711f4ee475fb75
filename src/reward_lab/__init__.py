"""reward-lab: what the lessons on reward modelling import."""

from . import noise_recipes, plots, plots_noise, recipes
from .calibration import calibration, expected_ece, fit_temperature
from .data import SyntheticPreferenceDataset, draw_pairs, true_quality
from .encoder import SimpleTextEncoder
from .linear import fit_linear_bradley_terry, linear_reward, token_frequencies
from .losses import bradley_terry_loss, flip_corrected_loss, smoothed_bt_loss
from .metrics import held_out_report, preference_accuracy, score_in_batches
from .noise import Comparisons, Limits, PreferenceWorld, expected_scores, limits, noisy_labels
from .reward_model import RewardModel
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
from .trainer import History, TrainConfig, train_reward_model, training_step

__all__ = [
    "Comparisons",
    "Games",
    "History",
    "Limits",
    "PreferenceWorld",
    "RewardModel",
    "SimpleTextEncoder",
    "SyntheticPreferenceDataset",
    "TrainConfig",
    "bradley_terry_loss",
    "calibration",
    "davidson_log_probabilities",
    "davidson_nll",
    "draw_pairs",
    "expected_ece",
    "expected_scores",
    "fit_bradley_terry",
    "fit_davidson",
    "fit_linear_bradley_terry",
    "fit_rao_kupper",
    "fit_temperature",
    "flip_corrected_loss",
    "held_out_report",
    "limits",
    "linear_reward",
    "load_puddings",
    "noise_recipes",
    "noisy_labels",
    "plots",
    "plots_noise",
    "preference_accuracy",
    "rao_kupper_log_probabilities",
    "recipes",
    "score_in_batches",
    "smoothed_bt_loss",
    "token_frequencies",
    "train_reward_model",
    "training_step",
    "true_quality",
]
