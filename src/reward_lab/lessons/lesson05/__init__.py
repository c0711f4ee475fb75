"""Lesson 5: evaluating reward models."""

from . import checks as check
from . import shown
from .predictions import predict

__all__ = ["check", "predict", "shown"]
