"""Lesson 1: reward modelling."""

from . import checks as check

__all__ = ["check"]
