"""reward-lab: what lesson 1 and one's own preferences need. Everything else stands in its room.

`reward_lab.statistics`, `reward_lab.language`, `reward_lab.rlhf` and `reward_lab.text` are imported by name, and so is
what one lesson alone needs: `from reward_lab.lessons.lesson03 import check, experiments, figures`.
"""

from . import plots
from .data import SyntheticPreferenceDataset, draw_pairs, true_quality
from .encoder import SimpleTextEncoder
from .linear import fit_linear_bradley_terry, linear_reward, token_frequencies
from .losses import bradley_terry_loss
from .metrics import held_out_report, preference_accuracy, score_in_batches
from .reward_model import RewardModel
from .text.preferences import EXAMPLE_PREFERENCES, Preference, Preferences, load_preferences
from .text.scoring import rank_texts, score_texts
from .text.training import TextConfig, train_on_preferences
from .trainer import History, TrainConfig, train_reward_model, training_step

__all__ = [
    "EXAMPLE_PREFERENCES",
    "History",
    "Preference",
    "Preferences",
    "RewardModel",
    "SimpleTextEncoder",
    "SyntheticPreferenceDataset",
    "TextConfig",
    "TrainConfig",
    "bradley_terry_loss",
    "draw_pairs",
    "fit_linear_bradley_terry",
    "held_out_report",
    "linear_reward",
    "load_preferences",
    "plots",
    "preference_accuracy",
    "rank_texts",
    "score_in_batches",
    "score_texts",
    "token_frequencies",
    "train_on_preferences",
    "train_reward_model",
    "training_step",
    "true_quality",
]
