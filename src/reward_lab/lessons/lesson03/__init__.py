"""Lesson 3: noise, ties and calibration."""

from . import checks as check

__all__ = ["check"]
