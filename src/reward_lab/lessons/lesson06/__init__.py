"""Lesson 6: policy gradients and PPO."""

from . import checks as check

__all__ = ["check"]
