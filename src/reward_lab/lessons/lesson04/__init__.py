"""Lesson 4: a pretrained backbone."""

from . import checks as check
from .predictions import predict

__all__ = ["check", "predict"]
