"""What the exercises of lesson 7 must do."""

from reward_lab.checks.scoring import LessonScore

from .choice import choose_n
from .conservative import conservative_reward
from .distribution import best_of_n
from .estimate import best_of_n_estimate
from .forms import fit_overoptimization

__all__ = ["best_of_n", "best_of_n_estimate", "choose_n", "conservative_reward", "fit_overoptimization"]

score = LessonScore(best_of_n, best_of_n_estimate, fit_overoptimization, choose_n, conservative_reward)
