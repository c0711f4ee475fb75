"""Lesson 7: over-optimisation."""

from . import checks as check
from . import shown
from .predictions import predict

__all__ = ["check", "predict", "shown"]
