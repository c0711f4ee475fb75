"""Lesson 9: a real language model."""

from . import checks as check
from . import shown
from .predictions import predict

__all__ = ["check", "predict", "shown"]
