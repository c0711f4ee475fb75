"""Lesson 4: a pretrained backbone."""

from . import checks as check

__all__ = ["check"]
