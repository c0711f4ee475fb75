"""What the exercises of lesson 4 must do."""

from reward_lab.checks.scoring import LessonScore

from . import probes  # noqa: F401  (registers the recipes, on both sides)
from .efficiency import data_efficiency
from .language import next_token_loss
from .pool import last_token_pool
from .reward import RewardFromBackbone

__all__ = ["RewardFromBackbone", "data_efficiency", "last_token_pool", "next_token_loss"]

score = LessonScore(next_token_loss, last_token_pool, RewardFromBackbone, data_efficiency)
