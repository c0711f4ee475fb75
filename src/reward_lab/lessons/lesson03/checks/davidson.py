"""TODO 6: the likelihood of comparisons that may end in a tie."""

import torch
import torch.nn.functional as F
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.subject import Subject
from reward_lab.statistics.ties import TIE, rao_kupper_log_probabilities
from reward_lab.statistics.ties import davidson_nll as right_nll

from .margins import LEVELS_OFF, Loss, expect_loss

davidson_nll = Exercise(
    "davidson_nll",
    first_step="Write down the logarithms of the three terms that stand in proportion to each other.",
    withholds=("reward_lab.statistics.ties.davidson_log_probabilities",),
)


def _with_tie_score(tie_score: Loss) -> Loss:
    """The likelihood with another score for a tie; the scores go through a softmax."""

    def nll(i: Tensor, j: Tensor, log_nu: Tensor, outcome: Tensor) -> Tensor:
        return F.cross_entropy(torch.stack([i, j, tie_score(i, j, log_nu)], dim=1), outcome)

    return nll


def _worths(i: Tensor, j: Tensor, log_nu: Tensor) -> Tensor:
    tie = log_nu.exp() * torch.sqrt(i.exp() * j.exp())
    return torch.stack([i.exp(), j.exp(), tie], dim=1)


def _by_worths(i: Tensor, j: Tensor, log_nu: Tensor, outcome: Tensor) -> Tensor:
    worths = _worths(i, j, log_nu)
    return F.nll_loss(torch.log(worths / worths.sum(dim=1, keepdim=True)), outcome)


def _by_softmax(i: Tensor, j: Tensor, log_nu: Tensor, outcome: Tensor) -> Tensor:
    scores = torch.stack([i, j, log_nu + (i + j) / 2], dim=1)
    return F.nll_loss(torch.log(F.softmax(scores, dim=1)), outcome)


def _softmax_twice(i: Tensor, j: Tensor, log_nu: Tensor, outcome: Tensor) -> Tensor:
    return F.cross_entropy(torch.stack([i, j, log_nu + (i + j) / 2], dim=1).softmax(dim=1), outcome)


def _log_of_mean(i: Tensor, j: Tensor, log_nu: Tensor, outcome: Tensor) -> Tensor:
    scores = torch.stack([i, j, log_nu + (i + j) / 2], dim=1).softmax(dim=1)
    return -torch.log(scores.gather(1, outcome.unsqueeze(1)).mean())


def _wins_without_ties(i: Tensor, j: Tensor, log_nu: Tensor, outcome: Tensor) -> Tensor:
    sign = torch.where(outcome == 0, 1.0, -1.0)
    return (-F.logsigmoid(sign * (i - j)) * (outcome != TIE)).mean() + 0 * log_nu


def _half_wins(i: Tensor, j: Tensor, log_nu: Tensor, outcome: Tensor) -> Tensor:
    target = torch.tensor([1.0, 0.0, 0.5], dtype=i.dtype, device=i.device)[outcome]
    return F.binary_cross_entropy_with_logits(i - j, target) + 0 * log_nu


def _rao_kupper(i: Tensor, j: Tensor, log_nu: Tensor, outcome: Tensor) -> Tensor:
    return F.nll_loss(rao_kupper_log_probabilities(i, j, log_nu), outcome)


def _stacked_across(i: Tensor, j: Tensor, log_nu: Tensor, outcome: Tensor) -> Tensor:
    return F.cross_entropy(torch.stack([i, j, log_nu + (i + j) / 2], dim=0), outcome)


def _with_guard(guard: float) -> Loss:
    def nll(i: Tensor, j: Tensor, log_nu: Tensor, outcome: Tensor) -> Tensor:
        scores = torch.stack([i, j, log_nu + (i + j) / 2], dim=1)
        return F.nll_loss(torch.log(F.softmax(scores, dim=1) + guard), outcome)

    return nll


DAVIDSON_MISTAKES: dict[str, Loss | list[Loss]] = {
    "The square root is missing: in logarithms the tie's term holds half the sum of the two abilities.": (
        _with_tie_score(lambda i, j, log_nu: log_nu + i + j)
    ),
    "The tie's term holds no abilities. It is nu times the square root of the product of the two worths.": (
        _with_tie_score(lambda i, j, log_nu: log_nu + 0 * i)
    ),
    "The tie's term takes the square root of the abilities, which are logarithms already and may be below 0. The square "
    "root of the product of the worths is, among logarithms, half the sum.": [
        _with_tie_score(lambda i, j, log_nu: log_nu + torch.sqrt(i * j)),
        _with_tie_score(lambda i, j, log_nu: log_nu * torch.sqrt(i * j)),
        _with_tie_score(lambda i, j, log_nu: log_nu.exp() * torch.sqrt(i * j)),
    ],
    "The tie's term multiplies `log_nu` by the abilities. Products of worths are sums of logarithms.": _with_tie_score(
        lambda i, j, log_nu: log_nu * (i + j) / 2
    ),
    "The scores are stacked along the wrong dimension: one row for each comparison is asked for, `dim=1`.": _stacked_across,
    LEVELS_OFF: [_with_guard(guard) for guard in (1e-6, 1e-8, 1e-10, 1e-12)],
    "`log_nu` is the logarithm already. Among logarithms it is added as it is.": _with_tie_score(
        lambda i, j, log_nu: log_nu.exp() + (i + j) / 2
    ),
    "The tie's term takes the logarithm of `log_nu` again.": _with_tie_score(
        lambda i, j, log_nu: torch.log(log_nu) + (i + j) / 2
    ),
    "`log_nu` has the wrong sign: the higher it is, the more ties.": _with_tie_score(
        lambda i, j, log_nu: -log_nu + (i + j) / 2
    ),
    "`log_nu` is not used.": _with_tie_score(lambda i, j, log_nu: 0 * log_nu + (i + j) / 2),
    "The tie's term holds the difference of the abilities. It should be highest, beside the wins, when they are "
    "equal.": _with_tie_score(lambda i, j, log_nu: log_nu + (i - j) / 2),
    "The two wins are swapped: outcome 0 says that i wins.": lambda i, j, nu, o: right_nll(j, i, nu, o),
    "The outcomes are read in another order. They are 0: i wins, 1: j wins, 2: tie.": (
        lambda i, j, nu, o: right_nll(i, j, nu, (o + 2) % 3)
    ),
    "The outcomes are read in another order: 0 is a win of i, not a tie.": (
        lambda i, j, nu, o: right_nll(i, j, nu, (o + 1) % 3)
    ),
    "This sums over the comparisons. The loss is the mean.": lambda i, j, nu, o: (
        len(o) * right_nll(i, j, nu, o)
    ),
    "The sign is wrong: a loss is a negative logarithm.": lambda i, j, nu, o: -right_nll(i, j, nu, o),
    "`exp` of an ability of several hundred overflows. Stay with logarithms: `F.log_softmax` or `F.cross_entropy` on "
    "the three scores.": _by_worths,
    "Softmax first and log second breaks down at abilities of several hundred: the probability is 0 in float32, its "
    "log infinite. Use `F.log_softmax` or `F.cross_entropy`.": _by_softmax,
    "`F.cross_entropy` takes scores and applies the softmax itself. Here it is applied twice.": _softmax_twice,
    "The average comes too early: take the logarithm of each comparison, then the mean.": _log_of_mean,
    "Ties are left out: this is the Bradley-Terry loss of the rest.": _wins_without_ties,
    "This counts a tie as half a win for each. The model gives ties a probability of their own.": _half_wins,
    "This is Rao and Kupper's model. Davidson's is asked for.": _rao_kupper,
    "No gradient reached `log_nu`: something detached it. It is fitted like the abilities.": (
        lambda i, j, nu, o: right_nll(i, j, nu.detach(), o)
    ),
    "No gradient reached `ability_j`: something detached it.": lambda i, j, nu, o: right_nll(
        i, j.detach(), nu, o
    ),
    "No gradient reached `ability_i`: something detached it.": lambda i, j, nu, o: right_nll(
        i.detach(), j, nu, o
    ),
}


def _check(subject: Subject, *calls: tuple) -> None:
    expect_loss(subject, "davidson_nll", right_nll, DAVIDSON_MISTAKES, *calls)


def _comparisons(
    draw: torch.Generator, n: int, scale: float = 1.0, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Abilities around 0.4, log_nu from 0.2 to 0.8, and every outcome if n is 3 or more."""
    i, j = torch.randn(2, n, generator=draw, dtype=dtype) * scale + 0.4
    log_nu = torch.rand((), generator=draw, dtype=dtype) * 0.6 + 0.2
    outcome = torch.randint(3, (n,), generator=draw)
    outcome[:3] = torch.arange(min(3, n))
    return i.requires_grad_(), j.requires_grad_(), log_nu.requires_grad_(), outcome


@davidson_nll.case("the numbers of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    i, j = torch.tensor([1.0, 1.0, 1.0], requires_grad=True), torch.zeros(3, requires_grad=True)
    _check(subject, (i, j, torch.tensor(0.2, requires_grad=True), torch.tensor([0, 1, 2])))


@davidson_nll.case("random comparisons, in float32 and float64", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    sizes = ((40, torch.float32), (9, torch.float64), (1, torch.float32))
    equal, _, log_nu, outcome = _comparisons(draw, 6)
    twin = equal.detach().clone().requires_grad_()
    _check(
        subject, *(_comparisons(draw, n, dtype=dtype) for n, dtype in sizes), (equal, twin, log_nu, outcome)
    )


@davidson_nll.case("few ties and many: log_nu below and above 0", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = []
    for log_nu in (-3.0, 2.5, 0.0):
        i, j, _, outcome = _comparisons(draw, 15)
        calls.append((i, j, torch.tensor(log_nu, requires_grad=True), outcome))
    _check(subject, *calls)


@davidson_nll.case("abilities of several hundred", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    i, j, log_nu, outcome = _comparisons(draw, 9)
    far = 750 + 200 * torch.rand(9, generator=draw)  # beyond what float64 can take the exp of
    high, low = (i.detach() + far).requires_grad_(), (j.detach() - far).requires_grad_()
    same_side = []
    for shift in (800, -800):  # in float64: in float32 the difference of two such numbers is rough
        a, b, nu, ends = _comparisons(draw, 9, dtype=torch.float64)
        same_side.append(
            ((a.detach() + shift).requires_grad_(), (b.detach() + shift).requires_grad_(), nu, ends)
        )
    _check(
        subject, _comparisons(draw, 9), (high, low, log_nu, outcome), (low, high, log_nu, outcome), *same_side
    )
