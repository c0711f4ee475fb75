"""Lesson 07."""

from . import checks as check

__all__ = ["check"]
