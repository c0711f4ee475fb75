"""Lesson 2: Bradley-Terry as statistics."""

from . import checks as check

__all__ = ["check"]
