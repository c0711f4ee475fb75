"""TODO 6: the loss of a whole ranking."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import GRADIENT, Outcome, expect_like, levels_off, loss_and_gradients
from reward_lab.checks.numbers import as_number
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import number_text
from reward_lab.statistics.plackett_luce import plackett_luce_nll as right_nll

plackett_luce_nll = Exercise(
    "plackett_luce_nll",
    first_step="Write down the choices that the ranking [2, 1, 0] makes, one after the other, "
    "and the probability of each.",
)

Loss = Callable[[Tensor, Tensor], Tensor]


def _by_places(term: Callable[[Tensor, int], Tensor]) -> Loss:
    """A loss that sums a term over places of the ordered scores."""
    return lambda s, r: sum((term(s[r], place) for place in range(len(s))), start=0 * s.sum())


def _of_pairs(s: Tensor, r: Tensor) -> Tensor:
    o = s[r]
    margins = (o.unsqueeze(1) - o)[torch.triu(torch.ones(len(o), len(o)), diagonal=1).bool().to(s.device)]
    return -F.logsigmoid(margins).sum()


def _clamped(bound: float) -> Loss:
    return lambda s, r: right_nll(s.clamp(-bound, bound), r)


def _softmax_then_log(guard: float = 0.0) -> Loss:
    return _by_places(lambda o, t: -torch.log(o[t].exp() / o[t:].exp().sum() + guard))


LEVELS_OFF = (
    "A clamp, or a small number inside the log, hides the underflow: the loss levels off, and its gradient vanishes. Use "
    "torch.logsumexp or torch.logcumsumexp."
)
RANKING_MISTAKES: dict[str, Loss | list[Loss]] = {
    "The ranking is read the wrong way round: the first item in it is the best.": lambda s, r: right_nll(
        s, r.flip(0)
    ),
    "The ranking holds item numbers, best first. Here it was read as the place of each item.": (
        lambda s, r: right_nll(s, r.argsort())
    ),
    "The ranking was not used: these are the scores in their own order.": (
        lambda s, r: right_nll(s, torch.arange(len(s), device=s.device))
    ),
    "This averages over places. The loss of a ranking is the sum.": lambda s, r: right_nll(s, r) / len(s),
    "This averages over choices. The loss of a ranking is the sum.": lambda s, r: (
        right_nll(s, r) / max(len(s) - 1, 1)
    ),
    "The sign is wrong: this is the log-likelihood. The loss is minus that.": lambda s, r: -right_nll(s, r),
    "Every choice is made among all items here. An item that has been placed is no longer there to choose from.": (
        lambda s, r: -F.log_softmax(s, dim=0).sum()
    ),
    "Only the first choice counts here. Go on down the ranking.": lambda s, r: -F.log_softmax(s, dim=0)[r[0]],
    "This is the Bradley-Terry loss of all pairs. They are not independent: use one choice per place.": _of_pairs,
    "This is the Bradley-Terry loss of neighbours in the ranking. Each is chosen among all that are left.": (
        lambda s, r: -F.logsigmoid(s[r][:-1] - s[r][1:]).sum()
    ),
    "The chosen item is missing from those it was chosen from: start the sum at its own place.": _by_places(
        lambda o, t: torch.logsumexp(o[t + 1 :], 0) - o[t] if t + 1 < len(o) else 0 * o[t]
    ),
    "The logarithm is missing: this is one minus the chance of the ranking.": lambda s, r: (
        1 - torch.exp(-right_nll(s, r))
    ),
    "This is the chance of the ranking. The loss is minus its logarithm.": lambda s, r: torch.exp(
        -right_nll(s, r)
    ),
    "Subtracting the largest of all scores is not enough: further down the ranking everything underflows. Use "
    "torch.logsumexp on those that are left.": [
        lambda s, r: _softmax_then_log()(s - s.max(), r),
        lambda s, r: _softmax_then_log()(s.double() - s.max(), r),
    ],
    "exp first and log second breaks down: exp(900) is infinite, and exp(-900) is 0, in float64 too. Use torch.logsumexp "
    "or torch.logcumsumexp.": [_softmax_then_log(), lambda s, r: _softmax_then_log()(s.double(), r)],
    LEVELS_OFF: [_softmax_then_log(1e-8), _softmax_then_log(1e-12)],
    "The scores were clamped. They may be in the hundreds.": [
        _clamped(bound) for bound in (10, 20, 30, 50, 80, 100)
    ],
}


LOSS = loss_and_gradients(("scores", "ranking"), reduce="Sum over the places.")


def _read(value: object, arguments: tuple) -> Outcome:
    """The loss and its gradient. With one item there is no choice, and the constant 0 is as good as a sum of none."""
    cut_off = type(value) is tuple and (value[1] is None or value[1][0] is None)
    if cut_off and not (isinstance(value[0], Tensor) and value[0].dim()):
        result = value[0].detach() if isinstance(value[0], Tensor) else value[0]
        number = as_number(result, "a 0-dim tensor")
        if len(arguments[0]) == 1:
            zero = torch.zeros(1, dtype=torch.float64)
            return {"loss": zero[0] + number, f"{GRADIENT}`scores`": zero}
        raise Mistake(
            "a 0-dim tensor that can be differentiated by the scores",
            number_text(number),
            "The result is cut off from the scores: keep to tensors, without .item(), .detach() or float().",
        )
    return LOSS(value, arguments)


def _right(scores: Tensor, ranking: Tensor) -> Tensor:
    """In double precision, so that a stable answer in float32 is compared with the truth."""
    return right_nll(scores.double(), ranking)


def _explain(got: Sequence[Outcome], want: Sequence[Outcome]) -> str | None:
    return LEVELS_OFF if levels_off(got, want) else None


def _check(subject: Subject, *calls: tuple[Tensor, Tensor], rtol: float = 1e-4, atol: float = 1e-5) -> None:
    leaves = [(scores.clone().requires_grad_(), ranking) for scores, ranking in calls]
    expect_like(
        subject,
        _right,
        RANKING_MISTAKES,
        leaves,
        _read,
        "differentiate",
        rtol=rtol,
        atol=atol,
        explain=_explain,
    )


def _drawn(draw: torch.Generator, items: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    return 2 * torch.randn(items, generator=draw, dtype=dtype), torch.randperm(items, generator=draw)


@plackett_luce_nll.case("three items, by hand", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    scores = torch.tensor([2.0, 1.0, 0.0])
    _check(subject, *((scores, torch.tensor(ranking)) for ranking in ([0, 1, 2], [2, 1, 0], [1, 2, 0])))


@plackett_luce_nll.case("two items, and one", points=0.25)
def _(subject: Subject, draw: torch.Generator) -> None:
    scores = torch.randn(2, generator=draw)
    rankings = torch.tensor([1, 0]), torch.tensor([0, 1])
    _check(subject, *((scores, ranking) for ranking in rankings), (scores[:1], torch.tensor([0])))


@plackett_luce_nll.case("random rankings, in float32 and float64", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    sizes = (4, torch.float64), (7, torch.float32), (9, torch.float32), (40, torch.float64)
    _check(subject, *(_drawn(draw, *size) for size in sizes))


@plackett_luce_nll.case("scores in the hundreds", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    # In this order each usual shortcut fails at a place of its own, and so can be told from the others.
    steps = 40 - 40 * torch.arange(3.0), torch.tensor([2, 1, 0])
    # At 900 a float64 overflows as well.
    level = [
        (at + 5 * torch.randn(5, generator=draw), torch.randperm(5, generator=draw)) for at in (900.0, -900.0)
    ]
    rungs = 900.0 - 450.0 * torch.arange(5.0)  # 900, 450, 0, -450, -900
    ladders = [
        (rungs, torch.arange(5)),
        (rungs, torch.tensor([4, 0, 3, 1, 2])),
        (rungs + torch.randn(5, generator=draw), torch.randperm(5, generator=draw)),
    ]
    _check(subject, _drawn(draw, 5), steps, *level, *ladders, rtol=1e-3, atol=1e-3)
