"""What the exercises of lesson 3 must do."""

from .asked import mended_training
from .calibrated import calibration
from .corrected import flip_corrected_loss
from .cures import compare_cures
from .davidson import davidson_nll
from .labels import noisy_labels
from .smoothed import smoothed_bt_loss

__all__ = [
    "calibration",
    "compare_cures",
    "davidson_nll",
    "flip_corrected_loss",
    "mended_training",
    "noisy_labels",
    "smoothed_bt_loss",
]
