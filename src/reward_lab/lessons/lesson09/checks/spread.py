"""TODO 4: sampled KL per token, and how sure it is."""

from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import Outcome, expect_like, normal
from reward_lab.checks.numbers import as_number
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe
from reward_lab.lessons.lesson09.spread import kl_per_token as right_kl

kl_per_token = Exercise(
    "kl_per_token",
    first_step="Get two numbers for each answer first: its log-ratio, and its number of tokens.",
)

Spread = Callable[[Tensor, Tensor, Tensor], tuple[float, float]]


def _sums(policy: Tensor, reference: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    there = mask.bool()
    ratio = torch.where(there, policy.double() - reference.double(), 0.0).sum(1)
    return ratio, there.sum(1).double()


def spread_with(
    ratio: Callable[[Tensor], Tensor] | None = None,
    error: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
) -> Spread:
    """The right answer, but for each token's log-ratio, or the error of (sums, tokens, kl)."""

    def answer(policy: Tensor, reference: Tensor, mask: Tensor) -> tuple[float, float]:
        each = torch.where(mask.bool(), policy.double() - reference.double(), 0.0)
        s, n = (ratio(each) if ratio else each).sum(1), mask.bool().sum(1).double()
        k, m = s.sum() / n.sum(), len(s)
        usual = ((s - k * n).square().sum() / (m * (m - 1))).sqrt() / n.mean()
        return k.item(), (error(s, n, k) if error else usual).item()

    return answer


def _tokens_as_witnesses(policy: Tensor, reference: Tensor, mask: Tensor) -> tuple[float, float]:
    each = (policy.double() - reference.double())[mask.bool()]
    return each.mean().item(), (each.std() / len(each) ** 0.5).item()


def _mean_of_means(policy: Tensor, reference: Tensor, mask: Tensor) -> tuple[float, float]:
    s, n = _sums(policy, reference, mask)
    return (s / n).mean().item(), ((s / n).std() / len(s) ** 0.5).item()


def _per_answer(policy: Tensor, reference: Tensor, mask: Tensor) -> tuple[float, float]:
    s, _ = _sums(policy, reference, mask)
    return s.mean().item(), (s.std() / len(s) ** 0.5).item()


def _with_padding(policy: Tensor, reference: Tensor, mask: Tensor) -> tuple[float, float]:
    return right_kl(policy, reference, torch.ones_like(mask))


def _width(policy: Tensor, reference: Tensor, mask: Tensor) -> tuple[float, float]:
    s, _ = _sums(policy, reference, mask)
    return right_kl(s[:, None] / mask.shape[1], 0 * s[:, None], torch.ones_like(s[:, None]))


MISTAKES: dict[str, Spread | list[Spread]] = {
    "The difference is turned round: it is policy minus reference.": spread_with(ratio=lambda x: -x),
    "The padding counts too.": _with_padding,
    "Tokens are taken for independent witnesses in the error. Those of one answer hang together: answers are.": (
        _tokens_as_witnesses
    ),
    "This is the mean of the answers' own means. Divide the sum of all log-ratios by the number of all tokens.": (
        _mean_of_means
    ),
    "This is per answer. Divide by the tokens.": _per_answer,
    "The sums are divided by the width of the tensor, not by the tokens that stand there.": _width,
    "The log-ratios are taken without their sign. Some are below 0, and must be.": spread_with(
        ratio=torch.abs
    ),
    "The log-ratios are squared.": spread_with(ratio=torch.square),
    "The estimate is k3 of lesson 6. The plain mean of log-ratios is asked for.": spread_with(
        ratio=lambda x: torch.expm1(-x) + x
    ),
    "The ratio's exponential is averaged: take the log-ratio itself.": spread_with(ratio=torch.exp),
    "The error is divided by m, not by m - 1.": spread_with(
        error=lambda s, n, k: (s - k * n).square().sum().sqrt() / len(s) / n.mean()
    ),
    "This is the spread of single answers, not the error of the mean: divide by sqrt(m) once more.": spread_with(
        error=lambda s, n, k: ((s - k * n).square().sum() / (len(s) - 1)).sqrt() / n.mean()
    ),
    "The error is not divided by the mean number of tokens.": spread_with(
        error=lambda s, n, k: ((s - k * n).square().sum() / (len(s) * (len(s) - 1))).sqrt()
    ),
    "The square root is missing in the error.": spread_with(
        error=lambda s, n, k: (s - k * n).square().sum() / (len(s) * (len(s) - 1)) / n.mean().square()
    ),
    "The error leaves out that answers have different lengths: take s - k n, not s minus its mean.": spread_with(
        error=lambda s, n, k: s.std() / len(s) ** 0.5 / n.mean()
    ),
}


def _read(value: object, arguments: tuple) -> Outcome:
    if type(value) not in (tuple, list) or len(value) != 2:
        raise Mistake("two numbers, the KL per token and its standard error", describe(value))
    names = "the KL per token", "the standard error"
    return {
        name: torch.tensor(as_number(part, name), dtype=torch.float64)
        for name, part in zip(names, value, strict=True)
    }


def _check(subject: Subject, *calls: tuple) -> None:
    expect_like(subject, right_kl, MISTAKES, calls, _read, rtol=1e-4, atol=1e-6)


def _answers(
    draw: torch.Generator,
    m: int,
    seq: int,
    filler: float = 0.0,
    kind: torch.dtype = torch.bool,
    scale: float = 1.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Answers of different lengths whose tokens lean the same way, so that they are no independent witnesses."""
    reference = scale * (-normal(draw, m, seq).abs() - 0.5)
    policy = reference + scale * (0.3 * normal(draw, m, seq) + 0.4 * normal(draw, m, 1) + 0.1)
    lengths = torch.randint(1, seq + 1, (m, 1), generator=draw)
    lengths[0], lengths[1] = seq, max(1, seq // 3)
    mask = torch.arange(seq) < lengths
    policy, reference = (torch.where(mask, x, filler) for x in (policy, reference))
    return policy, reference - (0.0 if mask.all() else 0.7) * (~mask) * (filler == 0.0), mask.to(kind)


@kl_per_token.case("the two answers of the lesson", points=1.0)
def _(subject: Subject, draw: torch.Generator) -> None:
    policy = torch.tensor([[-1.0, -1.0, -2.0], [-2.0, 0.0, 0.0]])
    reference = torch.tensor([[-2.0, -1.5, -2.0], [-1.5, 0.0, 0.0]])
    _check(subject, (policy, reference, torch.tensor([[1, 1, 1], [1, 0, 0]])))


@kl_per_token.case("answers of different lengths", points=1.0)
def _(subject: Subject, draw: torch.Generator) -> None:
    kinds = (torch.bool, torch.float32, torch.int64)
    sizes = ((12, 8), (40, 20), (5, 6))
    calls = [_answers(draw, m, seq, kind=kind) for (m, seq), kind in zip(sizes, kinds, strict=True)]
    _check(subject, *calls, _answers(draw, 6, 30, scale=40.0))


@kl_per_token.case("-infinity where nothing stands", points=1.0)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, *(_answers(draw, m, 9, filler=float("-inf")) for m in (10, 25)))
