"""Lesson 8: direct preference optimisation."""

from . import checks as check
from . import shown
from .predictions import predict

__all__ = ["check", "predict", "shown"]
