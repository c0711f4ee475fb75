"""How every lesson starts, and how it goes on where an exercise is unsolved."""

import platform
import random
from collections.abc import Callable

import numpy as np
import torch


def start(seed: int) -> str:
    """Seed the generators of Python, NumPy and torch, use one thread, and print versions and device.

    Args:
        seed: the same one gives the same numbers on every run on one machine.

    Returns:
        `cuda` where torch sees a GPU, else `cpu`.
    """
    torch.set_num_threads(
        1
    )  # models and tables as small as the lessons' run faster on one thread than on several
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    where = torch.cuda.get_device_name(0) if device == "cuda" else "CPU"
    print(f"Python {platform.python_version()}, PyTorch {torch.__version__}, on {where}")
    return device


def attempt(make: Callable[[], object], what: str) -> object | None:
    """What `make()` gives, or None and a line that says why there is nothing: an unsolved exercise blocks no lesson."""
    try:
        return make()
    except NotImplementedError:
        print(f"{what}: not yet. It will be drawn here once its exercise is solved.")
    except Exception as error:
        print(f"{what}: {type(error).__name__}: {error}")
    return None
