"""Lesson 7: over-optimisation."""

from . import checks as check

__all__ = ["check"]
