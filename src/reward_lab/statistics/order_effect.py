"""Bradley-Terry with an order effect: being at home, or being shown first, is worth something by itself."""

import torch
from torch import Tensor

from .bradley_terry import centred_inverse, maximise
from .win_graph import check_wins, no_finite_order_effect


def bt_order_effect(home_wins: Tensor, away_wins: Tensor) -> tuple[Tensor, float]:
    """Maximum-likelihood abilities and advantage of the home side.

    The model: when i is at home against j, P(i wins) = sigmoid(alpha + ability_i - ability_j). Source: Agresti,
    Categorical Data Analysis (Bradley-Terry with home-team advantage); Davidson and Beaver (Biometrics, 1977).

    Args:
        home_wins: (K, K), K >= 2: [i, j] counts wins of i over j at i's ground; 0 on the diagonal.
        away_wins: (K, K): [i, j] counts wins of i over j at j's ground; 0 on the diagonal. So
            home_wins[i, j] + away_wins[j, i] games were played at i's ground.

    Returns:
        Abilities, (K,) float64 with mean zero, and alpha, the log-odds advantage of being at home.

    Raises:
        ValueError: a table is none, or there is no finite estimate; the message names the reason.
    """
    home, away = _check_both(home_wins, away_wins, "bt_order_effect")
    reason = no_finite_order_effect(home, away)
    if reason is not None:
        raise ValueError(f"bt_order_effect: there is no finite estimate: {reason}.")
    players = len(home)
    start = home.new_zeros(players + 1)
    found = maximise(lambda p: (_gradient(home, away, p), _information(home, away, p)), start, players)
    return found[:players], found[players].item()


def bt_order_standard_errors(
    home_wins: Tensor, away_wins: Tensor, abilities: Tensor, alpha: float
) -> tuple[Tensor, float]:
    """Standard errors of what `bt_order_effect` estimates, from the pseudo-inverse of the information.

    Args:
        home_wins: (K, K), as for `bt_order_effect`.
        away_wins: (K, K), as for `bt_order_effect`.
        abilities: (K,) floating point, the estimates.
        alpha: the estimated advantage.

    Returns:
        Standard errors of the centred abilities, (K,) float64, and of alpha.

    Raises:
        ValueError: a table is none.
    """
    home, away = _check_both(home_wins, away_wins, "bt_order_standard_errors")
    parameters = torch.cat([abilities.double(), abilities.new_tensor([alpha], dtype=torch.float64)])
    covariance = centred_inverse(_information(home, away, parameters), len(home))
    errors = covariance.diagonal().sqrt()
    return errors[:-1], errors[-1].item()


def bt_deviance(home_wins: Tensor, away_wins: Tensor, abilities: Tensor, alpha: float = 0.0) -> float:
    """How far a fit is from the observed results: twice the log-likelihood lost against a free chance per row.

    A row is an ordered pair: i at home against j. A model that fits has a deviance near its degrees of freedom,
    rows minus free parameters (Agresti, Categorical Data Analysis).

    Args:
        home_wins: (K, K), as for `bt_order_effect`.
        away_wins: (K, K), as for `bt_order_effect`.
        abilities: (K,) floating point.
        alpha: the advantage of being at home; 0 for a model without one.

    Returns:
        The deviance, at least 0.

    Raises:
        ValueError: a table is none.
    """
    home, away = _check_both(home_wins, away_wins, "bt_deviance")
    chance = _home_chance(abilities.double(), alpha)
    lost, games = away.T, home + away.T  # at i's ground: [i, j] counts losses of i to j, and games
    total = torch.xlogy(home, home) + torch.xlogy(lost, lost) - torch.xlogy(games, games)
    total -= torch.xlogy(home, chance) + torch.xlogy(lost, 1 - chance)
    return 2 * total.sum().item()


def _home_chance(abilities: Tensor, alpha: float | Tensor) -> Tensor:
    """(K, K): [i, j] is the chance that i, at home, beats j."""
    return torch.sigmoid(alpha + abilities.unsqueeze(1) - abilities)


def _gradient(home: Tensor, away: Tensor, parameters: Tensor) -> Tensor:
    """Wins minus promised wins, of each player and of the home side."""
    surplus = home - (home + away.T) * _home_chance(parameters[:-1], parameters[-1])  # of home sides
    return torch.cat([surplus.sum(dim=1) - surplus.sum(dim=0), surplus.sum().unsqueeze(0)])


def _information(home: Tensor, away: Tensor, parameters: Tensor) -> Tensor:
    """(K + 1, K + 1): minus the second derivatives, alpha last."""
    chance = _home_chance(parameters[:-1], parameters[-1])
    weight = (home + away.T) * chance * (1 - chance)
    both = weight + weight.T
    abilities = torch.diag(both.sum(dim=1)) - both
    mixed = weight.sum(dim=1) - weight.sum(dim=0)
    upper = torch.cat([abilities, mixed.unsqueeze(1)], dim=1)
    lower = torch.cat([mixed, weight.sum().unsqueeze(0)])
    return torch.cat([upper, lower.unsqueeze(0)])


def _check_both(home_wins: Tensor, away_wins: Tensor, who: str) -> tuple[Tensor, Tensor]:
    home, away = check_wins(home_wins, who, "home_wins"), check_wins(away_wins, who, "away_wins")
    if home.shape != away.shape:
        raise ValueError(
            f"{who}: both tables must have the same shape, got {tuple(home.shape)} and {tuple(away.shape)}"
        )
    return home, away
