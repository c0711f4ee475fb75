"""What the two losses of margins share: drawn margins and rates, and how closely a loss is compared."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from reward_lab.checks.judging import GRADIENT, Outcome, expect_like, levels_off, loss_and_gradients
from reward_lab.checks.subject import Subject

Loss = Callable[..., Tensor]
NAMES = {
    "smoothed_bt_loss": ("margin", "smoothing"),
    "flip_corrected_loss": ("margin", "flip_rate"),
    "davidson_nll": ("ability_i", "ability_j", "log_nu", "outcome"),
}


LEVELS_OFF = (
    "A small number inside the log, or a clamp, hides the overflow, but the loss levels off and its gradient vanishes. "
    "Stay with logarithms: `F.logsigmoid`, `torch.logaddexp`, `F.log_softmax`."
)
KINK = (
    "The loss is right, and so is the gradient but where it passes 0: `abs`, `relu` and `clamp` have a kink there. Use "
    "`F.logsigmoid` or `F.softplus`, which are smooth."
)


def expect_loss(
    subject: Subject, name: str, right: Loss, mistakes: Mapping[str, Loss | list[Loss]], *calls: tuple
) -> None:
    """Compare value and gradients of several calls, the value to 1e-5, with those of the right loss of this name."""
    read = loss_and_gradients(NAMES[name])

    def explain(got: Sequence[Outcome], want: Sequence[Outcome]) -> str | None:
        if levels_off(got, want):
            return LEVELS_OFF
        at_zero = all(
            _right_but_at_0(a, b, arguments) for a, b, arguments in zip(got, want, calls, strict=True)
        )
        return KINK if at_zero else None

    expect_like(subject, right, mistakes, calls, read, "differentiate", rtol=1e-4, atol=1e-5, explain=explain)


def _right_but_at_0(got: Outcome, want: Outcome, arguments: tuple) -> bool:
    """Whether all agrees but for gradients at places where the margin is 0. Abilities have the margin i - j."""
    margin = arguments[0].detach() if len(arguments) == 2 else (arguments[0] - arguments[1]).detach()
    for part, numbers in want.items():
        wrong = ~torch.isclose(got[part], numbers, rtol=1e-3, atol=1e-5)
        if part.startswith(GRADIENT) and numbers.dim():
            wrong = wrong & (margin != 0).cpu()
        elif part.startswith(GRADIENT):
            continue
        if wrong.any():
            return False
    return True


def with_zeros(draw: torch.Generator, n: int) -> Tensor:
    """(n,) margins, every other one 0: texts of equal reward."""
    values = margins(draw, n).detach()
    values[::2] = 0.0
    return values.requires_grad_()


def far_margins(draw: torch.Generator, n: int = 7) -> Tensor:
    """(n,) margins; the first two are 1,000 and -1,000."""
    values = torch.randn(n, generator=draw)
    values[:2] = torch.tensor([1000.0, -1000.0])
    return values.requires_grad_()


def margins(draw: torch.Generator, n: int, scale: float = 2.0, dtype: torch.dtype = torch.float32) -> Tensor:
    """(n,) margins around 0.5, so that no sign is as good as the other."""
    return (torch.randn(n, generator=draw, dtype=dtype) * scale + 0.5).requires_grad_()


def rate(draw: torch.Generator, low: float = 0.05, high: float = 0.4) -> float:
    """A rate with three decimals."""
    return round(low + (high - low) * torch.rand((), generator=draw).item(), 3)
