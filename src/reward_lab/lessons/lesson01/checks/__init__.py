"""What the exercises of lesson 1 must do."""

from reward_lab.checks.scoring import LessonScore

from .accuracy import preference_accuracy
from .dataset import SyntheticPreferenceDataset
from .held_out import held_out_report
from .step import training_step

__all__ = ["SyntheticPreferenceDataset", "held_out_report", "preference_accuracy", "training_step"]

score = LessonScore(preference_accuracy, SyntheticPreferenceDataset, training_step, held_out_report)
