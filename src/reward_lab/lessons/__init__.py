"""What one lesson alone needs, a room for each: `check`, and where it has them `experiments` and `figures`."""

from .starting import start

__all__ = ["start"]
