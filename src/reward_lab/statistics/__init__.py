"""Bradley-Terry as statistics, and what surrounds it: order effects, rankings, ties, noise, calibration."""

from .bradley_terry import (
    bt_covariance,
    bt_information,
    bt_log_likelihood,
    bt_mle,
    bt_mm_path,
    bt_standard_errors,
    simulate_wins,
)
from .calibration import calibration, expected_ece, fit_temperature
from .datasets.baseball import load_baseball
from .evaluation import (
    best_of_k_accuracy,
    counterfactual_effect,
    length_controlled_win_rate,
    paired_test,
    style_accuracy,
)
from .intervals import clustered_se, clustered_test, mean_interval
from .noise import Comparisons, Limits, PreferenceWorld, expected_scores, limits, noisy_labels
from .noisy_losses import flip_corrected_loss, smoothed_bt_loss
from .order_effect import bt_deviance, bt_order_effect, bt_order_standard_errors
from .plackett_luce import draw_rankings, pairs_of_rankings, plackett_luce_mle, plackett_luce_nll
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
from .win_graph import reachable

__all__ = [
    "Comparisons",
    "Games",
    "Limits",
    "PreferenceWorld",
    "best_of_k_accuracy",
    "bt_covariance",
    "bt_deviance",
    "bt_information",
    "bt_log_likelihood",
    "bt_mle",
    "bt_mm_path",
    "bt_order_effect",
    "bt_order_standard_errors",
    "bt_standard_errors",
    "calibration",
    "clustered_se",
    "clustered_test",
    "counterfactual_effect",
    "davidson_log_probabilities",
    "davidson_nll",
    "draw_rankings",
    "expected_ece",
    "expected_scores",
    "fit_bradley_terry",
    "fit_davidson",
    "fit_rao_kupper",
    "fit_temperature",
    "flip_corrected_loss",
    "length_controlled_win_rate",
    "limits",
    "load_baseball",
    "load_puddings",
    "mean_interval",
    "noisy_labels",
    "paired_test",
    "pairs_of_rankings",
    "plackett_luce_mle",
    "plackett_luce_nll",
    "rao_kupper_log_probabilities",
    "reachable",
    "simulate_wins",
    "smoothed_bt_loss",
    "style_accuracy",
]
