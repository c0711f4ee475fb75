"""What the exercises of lesson 6 must do."""

from reward_lab.checks.scoring import LessonScore

from .advantages import gae
from .clipped import ppo_loss
from .gradient import policy_gradient_loss
from .kl import kl_estimators
from .optimum import kl_optimal_policy

__all__ = ["gae", "kl_estimators", "kl_optimal_policy", "policy_gradient_loss", "ppo_loss"]

score = LessonScore(kl_optimal_policy, policy_gradient_loss, kl_estimators, gae, ppo_loss)
