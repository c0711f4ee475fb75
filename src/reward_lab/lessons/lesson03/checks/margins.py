"""What the two losses of margins share: drawn margins and rates, and how closely a loss is compared."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from reward_lab.checks.judging import expect_like, loss_and_gradients
from reward_lab.checks.subject import Subject

Loss = Callable[..., Tensor]
NAMES = {
    "smoothed_bt_loss": ("margin", "smoothing"),
    "flip_corrected_loss": ("margin", "flip_rate"),
    "davidson_nll": ("ability_i", "ability_j", "log_nu", "outcome"),
}


def expect_loss(
    subject: Subject, name: str, right: Loss, mistakes: Mapping[str, Loss], *calls: tuple
) -> None:
    """Compare value and gradients of several calls, the value to 1e-5, with those of the right loss of this name."""
    read = loss_and_gradients(NAMES[name])
    expect_like(subject, right, mistakes, calls, read, "differentiate", rtol=1e-4, atol=1e-5)


def margins(draw: torch.Generator, n: int, scale: float = 2.0, dtype: torch.dtype = torch.float32) -> Tensor:
    """(n,) margins around 0.5, so that no sign is as good as the other."""
    return (torch.randn(n, generator=draw, dtype=dtype) * scale + 0.5).requires_grad_()


def rate(draw: torch.Generator, low: float = 0.05, high: float = 0.4) -> float:
    """A rate with three decimals."""
    return round(low + (high - low) * torch.rand((), generator=draw).item(), 3)
