"""What the exercises of lesson 9 must do."""

from reward_lab.checks.scoring import LessonScore

from .log_probs import answer_log_probs
from .spread import kl_per_token
from .stopping import choose_candidate

__all__ = ["answer_log_probs", "choose_candidate", "kl_per_token"]

score = LessonScore(answer_log_probs, choose_candidate, kl_per_token)
