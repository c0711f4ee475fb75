"""A small language: its grammar, a transformer that learns it, and a reward model on top of that."""

from .backbone import RewardFromBackbone, data_efficiency, last_token_pool, next_token_loss
from .transformer import LanguageModel, TinyTransformer

__all__ = [
    "LanguageModel",
    "RewardFromBackbone",
    "TinyTransformer",
    "data_efficiency",
    "last_token_pool",
    "next_token_loss",
]
