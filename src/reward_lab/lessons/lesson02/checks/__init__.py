"""What the exercises of lesson 2 must do."""

from reward_lab.checks.scoring import LessonScore

from .abilities import bt_mle
from .errors import bt_standard_errors
from .order import bt_order_effect
from .rankings import plackett_luce_nll

__all__ = ["bt_mle", "bt_order_effect", "bt_standard_errors", "plackett_luce_nll"]

score = LessonScore(bt_mle, bt_standard_errors, bt_order_effect, plackett_luce_nll)
