"""What the checks of DPO's and of IPO's loss share: the margin h of a pair, and the usual mistakes in it."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from reward_lab.checks.judging import Outcome, expect_like, levels_off, loss_and_gradients, normal
from reward_lab.checks.subject import Subject

Loss = Callable[..., Tensor]
SIDES = ("policy_preferred", "policy_rejected", "reference_preferred", "reference_rejected")
TERMS: Mapping[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "The two texts are swapped: this pushes the rejected one up.": lambda a, b, c, d: (b - a) - (d - c),
    "The reference is not used. It is the change against the reference that counts.": lambda a, b, c, d: (
        a - b
    ),
    "The reference's difference is added. Subtract it.": lambda a, b, c, d: (a - b) + (c - d),
    "The reference's two texts are swapped.": lambda a, b, c, d: (a - b) - (d - c),
    "The rejected texts are not used.": lambda a, b, c, d: a - c,
    "The preferred texts are not used.": lambda a, b, c, d: d - b,
    "These are ratios of log-probabilities. The log of a ratio is a difference.": lambda a, b, c, d: (
        a / c - b / d
    ),
    "The log-probabilities went through exp. Use them as they are.": lambda a, b, c, d: (
        (a - c).exp() - (b - d).exp()
    ),
}
"""Mistakes in h, which both losses can make: sentence -> h of the four log-probabilities."""
DETACHED = {
    "No gradient reaches the preferred texts: something detached them.": lambda a, b, c, d: (
        a.detach(),
        b,
        c,
        d,
    ),
    "No gradient reaches the rejected texts: something detached them.": lambda a, b, c, d: (
        a,
        b.detach(),
        c,
        d,
    ),
}


def margin(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    return (a - b) - (c - d)


def _kept(loss: Loss, keep: str) -> Loss:
    """Gradients flow into one side of the reference, or into both."""

    def answer(a, b, c, d, *rest):
        c, d = (
            x if keep in (name, "both") else x.detach() for name, x in (("preferred", c), ("rejected", d))
        )
        return loss(a, b, c, d, *rest)

    return answer


def reference_mistakes(loss: Loss) -> dict[str, Loss]:
    said = "Gradients flow into the reference's log-probabilities{}. They are numbers here: detach them."
    names = {"both": "", "preferred": " of the preferred texts", "rejected": " of the rejected texts"}
    return {said.format(words): _kept(loss, keep) for keep, words in names.items()}


def _explain(got: Sequence[Outcome], want: Sequence[Outcome]) -> str | None:
    if levels_off(got, want):
        return "The loss levels off where margins are large: a clamp, or a small number in a log, cuts the gradient off."
    return None


def check_loss(subject: Subject, right: Loss, mistakes: Mapping, *calls: tuple) -> None:
    def read(value: object, arguments: tuple) -> Outcome:
        names = (*SIDES, "the price", "smoothing")[: len(arguments)]
        return loss_and_gradients(names, "One number is asked for: take the mean over the pairs.")(
            value, arguments
        )

    expect_like(subject, right, mistakes, calls, read, "differentiate", explain=_explain)


def drawn_pairs(
    draw: torch.Generator,
    batch: int,
    dtype: torch.dtype = torch.float32,
    spread: float = 2.0,
    long: bool = False,
) -> tuple[Tensor, ...]:
    """Log-probabilities of texts, the policy's about `spread` from the reference's. Long texts are far less likely."""
    level, apart = (-200, 40.0) if long else (-12, 3.0)
    references = [level + normal(draw, batch, dtype=dtype, scale=apart) for _ in range(2)]
    policies = [(r + normal(draw, batch, dtype=dtype, scale=spread)).requires_grad_() for r in references]
    return *policies, *references


def example(*rows: tuple[float, ...]) -> list[Tensor]:
    columns = [torch.tensor(column) for column in zip(*rows, strict=True)]
    return [x.requires_grad_() if number < 2 else x for number, x in enumerate(columns)]


WON, BOTH_FELL = (-5.0, -7.0, -6.0, -6.5), (-9.0, -10.0, -8.0, -8.5)
