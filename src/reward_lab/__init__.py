"""reward-lab: what the lessons on reward modelling import."""

from . import plots, recipes
from .data import SyntheticPreferenceDataset, draw_pairs, true_quality
from .encoder import SimpleTextEncoder
from .linear import fit_linear_bradley_terry, linear_reward, token_frequencies
from .losses import bradley_terry_loss
from .metrics import held_out_report, preference_accuracy, score_in_batches
from .reward_model import RewardModel
from .trainer import History, TrainConfig, train_reward_model, training_step

__all__ = [
    "History",
    "RewardModel",
    "SimpleTextEncoder",
    "SyntheticPreferenceDataset",
    "TrainConfig",
    "bradley_terry_loss",
    "draw_pairs",
    "fit_linear_bradley_terry",
    "held_out_report",
    "linear_reward",
    "plots",
    "preference_accuracy",
    "recipes",
    "score_in_batches",
    "token_frequencies",
    "train_reward_model",
    "training_step",
    "true_quality",
]
