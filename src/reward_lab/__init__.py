"""reward-lab: what the lessons on reward modelling import."""

from . import plots, recipes
from .data import SyntheticPreferenceDataset, draw_pairs, true_quality
from .encoder import SimpleTextEncoder
from .linear import fit_linear_bradley_terry, linear_reward, token_frequencies
from .losses import bradley_terry_loss
from .metrics import held_out_report, preference_accuracy, score_in_batches
from .preferences import EXAMPLE_PREFERENCES, Preference, Preferences, load_preferences
from .reward_model import RewardModel
from .scoring import Score, rank_texts, score_texts
from .text_training import TextConfig, TextRun, train_on_preferences
from .tokenizer import WordTokenizer
from .trainer import History, TrainConfig, train_reward_model, training_step

__all__ = [
    "EXAMPLE_PREFERENCES",
    "History",
    "Preference",
    "Preferences",
    "RewardModel",
    "Score",
    "SimpleTextEncoder",
    "SyntheticPreferenceDataset",
    "TextConfig",
    "TextRun",
    "TrainConfig",
    "WordTokenizer",
    "bradley_terry_loss",
    "draw_pairs",
    "fit_linear_bradley_terry",
    "held_out_report",
    "linear_reward",
    "load_preferences",
    "plots",
    "preference_accuracy",
    "rank_texts",
    "recipes",
    "score_in_batches",
    "score_texts",
    "token_frequencies",
    "train_on_preferences",
    "train_reward_model",
    "training_step",
    "true_quality",
]
