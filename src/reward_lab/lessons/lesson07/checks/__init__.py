"""What the exercises of lesson 7 must do."""

from .choice import choose_n
from .conservative import conservative_reward
from .distribution import best_of_n
from .estimate import best_of_n_estimate
from .forms import fit_overoptimization

__all__ = ["best_of_n", "best_of_n_estimate", "choose_n", "conservative_reward", "fit_overoptimization"]
