"""Lesson NN."""

from . import checks as check

__all__ = ["check"]
