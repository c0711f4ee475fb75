"""What the exercises of lesson 2 must do."""

from .abilities import bt_mle
from .errors import bt_standard_errors
from .order import bt_order_effect
from .rankings import plackett_luce_nll

__all__ = ["bt_mle", "bt_order_effect", "bt_standard_errors", "plackett_luce_nll"]
