"""What the exercises of lesson 8 must do."""

from reward_lab.checks.scoring import LessonScore

from .dpo import dpo_loss
from .implicit import implicit_reward
from .ipo import ipo_loss
from .mended import mended_loss
from .step import dpo_step
from .texts import sequence_log_probs

__all__ = ["dpo_loss", "dpo_step", "implicit_reward", "ipo_loss", "mended_loss", "sequence_log_probs"]

score = LessonScore(implicit_reward, sequence_log_probs, dpo_loss, dpo_step, ipo_loss, mended_loss)
