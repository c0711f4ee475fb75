"""TODO 6: the colleague's loss, mended."""

from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.judging import expect_like, loss_and_gradients, normal
from reward_lab.checks.subject import Subject
from reward_lab.rlhf.dpo import dpo_loss, ipo_loss

mended_loss = Exercise(
    "mended_loss",
    first_step="Compute the example both ways by hand, and see which of them depends on the length of a text.",
    uses=("dpo_loss",),
)

Loss = Callable[[Tensor, Tensor, Tensor, float], Tensor]
NAMES = ("policy_words", "reference_words", "mask", "beta")


def _with(
    policy_score: Callable[[Tensor, Tensor], Tensor] | None = None,
    reference_score: Callable[[Tensor, Tensor], Tensor] | None = None,
    loss_of: Callable[..., Tensor] = dpo_loss,
) -> Loss:
    """A loss that scores texts of the policy in one way, of the reference in another or the same."""

    def loss(policy_words: Tensor, reference_words: Tensor, mask: Tensor, beta: float) -> Tensor:
        policy = (policy_score or _sum)(policy_words, mask)
        reference = (reference_score or policy_score or _sum)(reference_words, mask)
        return loss_of(policy[0], policy[1], reference[0], reference[1], beta)

    return loss


def _sum(words: Tensor, mask: Tensor) -> Tensor:
    return (words * mask).sum(dim=-1)


def _mean(words: Tensor, mask: Tensor) -> Tensor:
    return _sum(words, mask) / mask.sum(dim=-1)


def _times(factor: Callable[[Tensor], Tensor | float]) -> Callable[[Tensor, Tensor], Tensor]:
    """The mean, multiplied by one number for all texts of a batch."""
    return lambda words, mask: _mean(words, mask) * factor(mask)


def _beta_times(factor: Callable[[Tensor], Tensor | float]) -> Loss:
    return lambda p, r, m, beta: _with(_mean)(p, r, m, beta * factor(m))


def _mean_of_each_pair(words: Tensor, mask: Tensor) -> Tensor:
    """Both texts divided by the mean length of the pair, and multiplied by that of the batch."""
    return _sum(words, mask) / mask.sum(-1).float().mean(0) * mask.sum(-1).float().mean()


def _in_step(words: Tensor, mask: Tensor) -> Tensor:
    """Only places where both texts have a token."""
    return (words * mask[0] * mask[1]).sum(-1)


right_loss = _with()

MENDED_MISTAKES: dict[str, Loss | list[Loss]] = {
    "This is still the mean over the tokens. The log-probability of a text is the sum of its tokens'.": _with(_mean),
    "The mean times 6 is the sum only for texts of six tokens. Add up what the mask marks.": [
        _with(_times(lambda m: 6.0)), _beta_times(lambda m: 6.0)
    ],
    "The mean times one length for all: right only where all texts are equally long.": [
        _with(_times(lambda m: m.sum(-1).float().mean())),
        _with(_times(lambda m: m.shape[-1])),
        _with(_times(lambda m: m.sum(-1).max())),
        _with(_times(lambda m: m.sum(-1).float().median())),
    ],
    "The sums are divided by the length of the pair's two texts. Nothing is divided.": [
        _with(_mean_of_each_pair),
        _with(lambda w, m: _sum(w, m) / m.sum(-1).float().mean(0)),
    ],
    "The policy's tokens are added up, the reference's are still averaged.": _with(_sum, _mean),
    "The reference's tokens are added up, the policy's are still averaged.": _with(_mean, _sum),
    "The mask is not used any more: padding counts too.": _with(lambda w, m: w.sum(-1)),
    "This is the mean over all places, padding included. Add up.": _with(lambda w, m: (w * m).mean(-1)),
    "The sum is divided by the root of the length. Nothing is divided.": _with(
        lambda w, m: _sum(w, m) / m.sum(-1).sqrt()
    ),
    "Tokens where only one of the two texts still goes on are left out. All of a text's tokens count.": _with(_in_step),
    "The log-probabilities are clamped. Add them up as they are.": [
        _with(lambda w, m, low=low: (w.clamp(min=low) * m).sum(-1)) for low in (-10.0, -20.0, -5.0)
    ],
    "The reference was lost on the way.": _with(_sum, lambda w, m: 0 * _sum(w, m)),
    "beta was lost on the way.": lambda p, r, m, beta: right_loss(p, r, m, 1.0),
    "The two texts are swapped: this pushes the rejected one up.": lambda p, r, m, beta: right_loss(
        p.flip(0), r.flip(0), m.flip(0), beta
    ),
    "This sums over the pairs. The loss is the mean.": _with(loss_of=lambda *x: dpo_loss(*x) * len(x[0])),
    "This is the loss of IPO. Only the score of a text was wrong.": _with(loss_of=ipo_loss),
    "The probabilities of the tokens are added up. Their logarithms are to be.": _with(
        lambda w, m: (w.exp() * m).sum(-1).log()
    ),
    "A log-probability is divided by the length of the other text.": _with(
        lambda w, m: _sum(w, m) / m.sum(-1).flip(0)
    ),
    "Gradients flow into the reference's tokens. They are numbers here: detach them.": _with(
        loss_of=lambda a, b, c, d, beta: -torch.nn.functional.logsigmoid(beta * ((a - b) - (c - d))).mean()
    ),
}  # fmt: skip


def _check(subject: Subject, *calls: tuple) -> None:
    read = loss_and_gradients(NAMES, "One number is asked for: take the mean over the pairs.")
    expect_like(subject, right_loss, MENDED_MISTAKES, calls, read, "differentiate")


def _batch(
    draw: torch.Generator,
    pairs: int,
    seq: int,
    shortest: int,
    beta: float,
    dtype: torch.dtype = torch.float32,
) -> tuple:
    reference = -2 + normal(draw, 2, pairs, seq, dtype=dtype)
    policy = (reference + 0.7 * normal(draw, 2, pairs, seq, dtype=dtype)).requires_grad_()
    length = torch.randint(shortest, seq + 1, (2, pairs, 1), generator=draw)
    length[0, 0] = seq
    return policy, reference, (torch.arange(seq) < length).to(dtype), beta


@mended_loss.case("the pair of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    policy = torch.tensor([[[-1.0, -2.0, -1.0]], [[-2.0, -2.0, -9.0]]]).requires_grad_()
    reference = torch.tensor([[[-2.0, -2.0, -3.0]], [[-1.0, -2.0, -9.0]]])
    mask = torch.tensor([[[1.0, 1.0, 1.0]], [[1.0, 1.0, 0.0]]])
    _check(subject, (policy, reference, mask, 0.5))


@mended_loss.case("texts of six tokens", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, _batch(draw, 12, 6, 6, 0.5), _batch(draw, 1, 6, 6, 0.1))


@mended_loss.case("texts of any length, with padding", points=1.0)
def _(subject: Subject, draw: torch.Generator) -> None:
    policy, reference, mask, beta = _batch(draw, 8, 9, 1, 0.3)
    rare = 30 * (torch.rand(reference.shape, generator=draw) < 0.1)  # words that hardly ever come
    policy = (policy.detach() - rare).requires_grad_()
    calls = [
        (policy, (reference - rare).requires_grad_(), mask, beta),
        _batch(draw, 15, 12, 2, 0.8, torch.float64),
    ]
    _check(subject, *calls, _batch(draw, 1, 5, 1, 0.5))
