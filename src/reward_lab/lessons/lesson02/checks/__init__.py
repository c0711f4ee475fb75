"""What the exercises of lesson 2 must do."""

from .abilities import bt_mle
from .board import leaderboard
from .errors import bt_standard_errors
from .mended import count_games
from .order import bt_order_effect
from .rankings import plackett_luce_nll

__all__ = [
    "bt_mle",
    "bt_order_effect",
    "bt_standard_errors",
    "count_games",
    "leaderboard",
    "plackett_luce_nll",
]
