"""What one lesson alone needs, a room for each: `check`, and where it has them `experiments` and `figures`."""

from reward_lab.checks.score import Score as points_so_far

from .starting import start

__all__ = ["points_so_far", "start"]
