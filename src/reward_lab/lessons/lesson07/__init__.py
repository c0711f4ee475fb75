"""Lesson 7: over-optimisation."""

from . import checks as check
from .predictions import predict

__all__ = ["check", "predict"]
