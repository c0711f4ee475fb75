"""Lesson 2: Bradley-Terry as statistics."""

from . import checks as check
from . import experiments, shown
from .predictions import predict

__all__ = ["check", "experiments", "predict", "shown"]
