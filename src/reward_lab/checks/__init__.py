"""What each exercise must do. A lesson imports its own module: `from reward_lab.checks import lesson01`."""
