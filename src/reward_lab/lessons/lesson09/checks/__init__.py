"""What the exercises of lesson 9 must do."""

from .conversation import conversation_row
from .log_probs import answer_log_probs
from .spread import kl_per_token
from .stopping import choose_candidate

__all__ = ["answer_log_probs", "choose_candidate", "conversation_row", "kl_per_token"]
