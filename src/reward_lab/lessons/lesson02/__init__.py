"""Lesson 2: Bradley-Terry as statistics."""

from . import checks as check
from . import shown
from .predictions import predict

__all__ = ["check", "predict", "shown"]
