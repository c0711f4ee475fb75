"""The usual mistakes of TODO 5, as programs that make them."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from reward_lab.statistics.bradley_terry import bt_mle
from reward_lab.statistics.order_effect import bt_order_effect as right_effect

from .vectors import PENALTY, Solve, penalised_maximum


def joined(abilities: Tensor, alpha: float | Tensor) -> Tensor:
    """Abilities and alpha as one vector, alpha last."""
    return torch.cat([abilities, torch.as_tensor(alpha, dtype=torch.float64).reshape(1)])


def _with_alpha(change: Callable[[Tensor], Tensor]) -> Solve:
    """The right abilities, with another alpha beside them."""

    def effect(home: Tensor, away: Tensor) -> Tensor:
        abilities, alpha = right_effect(home, away)
        return joined(abilities, change(torch.tensor(alpha, dtype=torch.float64)))

    return effect


def _ridge(of_abilities: float, of_alpha: float) -> Solve:
    """The maximum with a penalty on half the squares of the abilities, and on half that of alpha, with these weights."""

    def effect(home: Tensor, away: Tensor) -> Tensor:
        def log_likelihood(parameters: Tensor) -> Tensor:
            margins, alpha = parameters[:-1].unsqueeze(1) - parameters[:-1], parameters[-1]
            return (home * F.logsigmoid(margins + alpha) + away * F.logsigmoid(margins - alpha)).sum()

        weights = torch.full((len(home) + 1,), of_abilities, dtype=torch.float64)
        weights[-1] = of_alpha
        return penalised_maximum(log_likelihood, weights)

    return effect


def _log_odds(home: Tensor, away: Tensor) -> Tensor:
    return torch.log(home.sum() / away.sum())


def _shifted(reference: int) -> Solve:
    def effect(home: Tensor, away: Tensor) -> Tensor:
        abilities, alpha = right_effect(home, away)
        return joined(abilities - abilities[reference], alpha)

    return effect


def _flipped(home: Tensor, away: Tensor) -> Tensor:
    abilities, alpha = right_effect(home, away)
    return joined(-abilities, alpha)


ORDER_MISTAKES: dict[str, Solve | list[Solve]] = {
    "The sign of alpha is wrong: it is added to the margin of the side at home.": _with_alpha(
        lambda alpha: -alpha
    ),
    "Alpha is half of what it should be. The visitor gets nothing: the margin at home is alpha + a_i - a_j.": _with_alpha(
        lambda alpha: alpha / 2
    ),
    "Alpha is twice what it should be. The margin at home is alpha + a_i - a_j.": _with_alpha(
        lambda alpha: 2 * alpha
    ),
    "This alpha is a factor on the odds. Return the log-odds.": _with_alpha(lambda alpha: alpha.exp()),
    "This alpha is a probability. Return the log-odds.": _with_alpha(lambda alpha: alpha.sigmoid()),
    "This alpha is the share of games that the home side won. Return log-odds, fitted together with the abilities.": (
        lambda h, a: joined(right_effect(h, a)[0], h.sum() / (h.sum() + a.sum()))
    ),
    "The counts were cut to whole numbers. Half a win counts half.": lambda h, a: joined(
        *right_effect(h.floor(), a.floor())
    ),
    PENALTY: [_ridge(1.0, 1.0), _ridge(1.0, 0.0), _ridge(2.0, 2.0), _ridge(2.0, 0.0)],
    "The away table is read the wrong way round: away_wins[i, j] are wins of i at j's ground.": (
        lambda h, a: joined(*right_effect(h, a.T))
    ),
    "The home table is read the wrong way round: home_wins[i, j] are wins of i at i's ground.": (
        lambda h, a: joined(*right_effect(h.T, a))
    ),
    "The sign of the abilities is wrong: row i holds the wins of i.": _flipped,
    "The abilities are not centred: the first team is at 0. Subtract the mean.": _shifted(0),
    "The abilities are not centred: the last team is at 0. Subtract the mean.": _shifted(-1),
    "These are abilities fitted without alpha, beside the raw log-odds of home wins. Fit both together.": (
        lambda h, a: joined(bt_mle(h + a), _log_odds(h, a))
    ),
    "This alpha is the raw log-odds of home wins. It ignores who was at home: fit it together with the abilities.": (
        lambda h, a: joined(right_effect(h, a)[0], _log_odds(h, a))
    ),
    "The abilities are those without alpha. Fit both together.": lambda h, a: joined(
        bt_mle(h + a), right_effect(h, a)[1]
    ),
    "Alpha is 0, and the abilities are those without it.": lambda h, a: joined(bt_mle(h + a), 0.0),
}
