"""How every lesson starts: one thread, one seed for everything that is random, and a line that says where it runs."""

import platform
import random

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
