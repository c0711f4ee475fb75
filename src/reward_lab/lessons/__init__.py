"""What one lesson alone needs, a room for each: `check`, and where it has them `experiments` and `figures`."""
