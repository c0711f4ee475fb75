"""reward-lab: what the lessons on reward modelling import."""

from . import ecosystem, grammar, plots, plots_backbone, pretraining, recipes
from .backbone import RewardFromBackbone, data_efficiency, last_token_pool, next_token_loss
from .data import SyntheticPreferenceDataset, draw_pairs, true_quality
from .encoder import SimpleTextEncoder
from .linear import fit_linear_bradley_terry, linear_reward, token_frequencies
from .losses import bradley_terry_loss
from .metrics import held_out_report, preference_accuracy, score_in_batches
from .reward_model import RewardModel
from .trainer import History, TrainConfig, train_reward_model, training_step
from .transformer import LanguageModel, TinyTransformer

__all__ = [
    "History",
    "LanguageModel",
    "RewardFromBackbone",
    "RewardModel",
    "SimpleTextEncoder",
    "SyntheticPreferenceDataset",
    "TinyTransformer",
    "TrainConfig",
    "bradley_terry_loss",
    "data_efficiency",
    "ecosystem",
    "draw_pairs",
    "fit_linear_bradley_terry",
    "grammar",
    "held_out_report",
    "last_token_pool",
    "linear_reward",
    "next_token_loss",
    "plots",
    "plots_backbone",
    "preference_accuracy",
    "pretraining",
    "recipes",
    "score_in_batches",
    "token_frequencies",
    "train_reward_model",
    "training_step",
    "true_quality",
]
