"""What the exercises of lesson 3 must do."""

from reward_lab.checks.scoring import LessonScore

from .calibrated import calibration
from .corrected import flip_corrected_loss
from .davidson import davidson_nll
from .labels import noisy_labels
from .smoothed import smoothed_bt_loss

__all__ = ["calibration", "davidson_nll", "flip_corrected_loss", "noisy_labels", "smoothed_bt_loss"]

score = LessonScore(noisy_labels, smoothed_bt_loss, flip_corrected_loss, davidson_nll, calibration)
