"""What the exercises of lesson 5 must do."""

from reward_lab.checks.scoring import LessonScore

from .best import best_of_k_accuracy
from .controlled import length_controlled_win_rate
from .edit import counterfactual_effect
from .paired import paired_test
from .style import style_accuracy

__all__ = [
    "best_of_k_accuracy",
    "counterfactual_effect",
    "length_controlled_win_rate",
    "paired_test",
    "style_accuracy",
]

score = LessonScore(
    counterfactual_effect, length_controlled_win_rate, style_accuracy, best_of_k_accuracy, paired_test
)
