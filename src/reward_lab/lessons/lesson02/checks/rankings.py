"""TODO 4: the loss of a whole ranking."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.numbers import as_number, close
from reward_lab.checks.subject import LocalSubject, Subject
from reward_lab.checks.values import describe, number_text
from reward_lab.statistics.plackett_luce import plackett_luce_nll as right_nll

from .vectors import vector_text

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


def _softmax_then_log(guard: float = 0.0) -> Loss:
    return _by_places(lambda o, t: -torch.log(o[t].exp() / o[t:].exp().sum() + guard))


RANKING_MISTAKES: dict[str, Loss] = {
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
    "torch.logsumexp on those that are left.": lambda s, r: _softmax_then_log()(s - s.max(), r),
    "exp first and log second breaks down: exp(200) is infinite in float32, and exp(-200) is 0. Use torch.logsumexp or "
    "torch.logcumsumexp.": _softmax_then_log(),
    "A small number inside the log hides the underflow: the loss levels off, and its gradient vanishes. Use "
    "torch.logsumexp or torch.logcumsumexp.": _softmax_then_log(1e-8),
    "The scores were clamped. They may be in the hundreds.": lambda s, r: right_nll(s.clamp(-20, 20), r),
}


def _check_loss(subject: Subject, scores: Tensor, ranking: Tensor) -> None:
    """Compare loss and gradient with the right ones, then with the usual wrong ones."""
    arguments = (scores.clone().requires_grad_(), ranking)
    loss, gradient = _outcome(subject, arguments)
    # In double precision, so that a stable answer in float32 is compared with the truth.
    exact = (scores.double().clone().requires_grad_(), ranking)
    right_loss, right_gradient = _outcome(LocalSubject(right_nll), exact)
    tolerance = 1e-4 * max(1.0, scores.abs().max().item() / 100)
    if _same(loss, right_loss, tolerance) and _near(gradient, right_gradient):
        return
    likely = None
    for said, mistake in RANKING_MISTAKES.items():
        wrong_loss, wrong_gradient = _outcome(LocalSubject(mistake), arguments)
        known = _same(wrong_loss, right_loss, tolerance) and _near(wrong_gradient, right_gradient)
        if not known and _same(loss, wrong_loss, tolerance) and _near(gradient, wrong_gradient):
            likely = said
            break
    raise Mistake(_text(right_loss, right_gradient), _text(loss, gradient), likely)


def _outcome(subject: Subject | LocalSubject, arguments: tuple) -> tuple[float, Tensor]:
    """The loss and its gradient by the scores; a Mistake if it is no scalar that can be differentiated."""
    value = subject.differentiate(*arguments).value
    result, gradients = value if type(value) is tuple and len(value) == 2 else (value, None)
    if gradients is None or not isinstance(gradients[0], Tensor):
        if isinstance(result, Tensor) and result.dim() > 0:
            raise Mistake("a 0-dim tensor", describe(result), "Sum over the places.")
        number = as_number(result.detach() if isinstance(result, Tensor) else result, "a 0-dim tensor")
        raise Mistake(
            "a 0-dim tensor that can be differentiated by the scores",
            number_text(number),
            "The result is cut off from the scores: keep to tensors, without .item(), .detach() or float().",
        )
    return result.item(), gradients[0].cpu().double()


def _same(a: float, b: float, tolerance: float) -> bool:
    return close(a, b, tolerance) or (a != a and b != b)


def _near(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=1e-3, equal_nan=True)


def _text(loss: float, gradient: Tensor) -> str:
    return f"loss {number_text(loss)} with gradient {vector_text(gradient)}"


@plackett_luce_nll.case("three items, by hand", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    scores = torch.tensor([2.0, 1.0, 0.0])
    for ranking in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        _check_loss(subject, scores, torch.tensor(ranking))


@plackett_luce_nll.case("two items, and one", points=0.25)
def _(subject: Subject, draw: torch.Generator) -> None:
    scores = torch.randn(2, generator=draw)
    _check_loss(subject, scores, torch.tensor([1, 0]))
    _check_loss(subject, scores, torch.tensor([0, 1]))
    _check_loss(subject, scores[:1], torch.tensor([0]))


@plackett_luce_nll.case("random rankings, in float32 and float64", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    for items, dtype in ((4, torch.float64), (7, torch.float32), (9, torch.float32)):
        scores = 2 * torch.randn(items, generator=draw, dtype=dtype)
        _check_loss(subject, scores, torch.randperm(items, generator=draw))


@plackett_luce_nll.case("scores in the hundreds", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    # In this order each usual shortcut fails at a place of its own, and so can be told from the others.
    _check_loss(subject, 40 - 40 * torch.arange(3.0), torch.tensor([2, 1, 0]))
    for level in (300.0, -300.0):
        scores = level + 5 * torch.randn(5, generator=draw)
        _check_loss(subject, scores, torch.randperm(5, generator=draw))
    rungs = 300.0 - 150.0 * torch.arange(5.0)  # 300, 150, 0, -150, -300
    _check_loss(subject, rungs, torch.arange(5))
    _check_loss(subject, rungs + torch.randn(5, generator=draw), torch.randperm(5, generator=draw))
