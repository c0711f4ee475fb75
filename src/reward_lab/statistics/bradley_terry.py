"""The Bradley-Terry model as statistics: one ability per player, estimated from a table of wins."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .win_graph import check_wins, no_finite_estimate

Curve = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Parameters (P,) -> gradient (P,) and information (P, P), minus the matrix of second derivatives."""


def bt_log_likelihood(wins: Tensor, abilities: Tensor) -> Tensor:
    """Log-likelihood of a table of wins: sum over i, j of wins[i, j] * log sigmoid(ability_i - ability_j).

    After Bradley and Terry, "Rank analysis of incomplete block designs" (Biometrika, 1952), up to a constant that
    counts the orders in which the games could have come.

    Args:
        wins: (K, K): [i, j] counts how often i beat j.
        abilities: (..., K) floating point.

    Returns:
        (...) of the abilities' dtype, in nats. Can be differentiated.
    """
    margins = abilities.unsqueeze(-1) - abilities.unsqueeze(-2)  # (..., K, K)
    return (wins.to(margins.dtype) * F.logsigmoid(margins)).sum(dim=(-2, -1))


def bt_mle(wins: Tensor) -> Tensor:
    """Maximum-likelihood abilities of the Bradley-Terry model, centred at zero.

    Newton's method on `bt_log_likelihood`, which is concave. Only differences of abilities have a meaning, so
    their mean is set to zero.

    Args:
        wins: (K, K) integer or floating point, K >= 2: [i, j] counts how often i beat j; 0 on the diagonal.

    Returns:
        (K,) float64, on the table's device.

    Raises:
        ValueError: the table is none, or it has no finite estimate; the message then names the groups.
    """
    table = check_wins(wins, "bt_mle")
    reason = no_finite_estimate(table)
    if reason is not None:
        raise ValueError(f"bt_mle: there is no finite estimate: {reason}.")

    def curve(abilities: Tensor) -> tuple[Tensor, Tensor]:
        return _surplus(table, abilities), bt_information(table, abilities)

    return maximise(curve, table.new_zeros(len(table)), len(table))


def maximise(curve: Curve, start: Tensor, players: int, rounds: int = 1000) -> Tensor:
    """The maximum of a concave log-likelihood that does not change when all abilities shift, by Newton's method.

    A step moves no parameter by more than one half. Margins then change by 1.5 at most, and a logistic curvature
    by a factor of exp(1.5) at most, so that every step goes uphill and no line search is needed.

    Args:
        curve: gradient and information at given parameters.
        start: (P,) float64: abilities, then other parameters.
        players: how many of the parameters are abilities.
        rounds: steps after which to give up.

    Returns:
        (P,) float64; abilities keep the mean that they had at the start.

    Raises:
        RuntimeError: no maximum was reached, as when there is none.
    """
    parameters = start
    for _ in range(rounds):
        gradient, information = curve(parameters)
        step = centred_inverse(information, players) @ gradient
        parameters = parameters + step / max(1.0, 2 * step.abs().max().item())
        if gradient @ step < 1e-18:  # what is left to gain, in nats: convergence is quadratic
            return parameters
    raise RuntimeError(f"maximise: no maximum within {rounds} steps")


def centred_inverse(information: Tensor, players: int) -> Tensor:
    """The pseudo-inverse of an information matrix whose only flat direction is a shift of all abilities.

    Knowing that direction, we need not find it: torch.linalg.pinv has to tell an eigenvalue that should be 0 from
    a small one, and rounding can mislead it.

    Args:
        information: (P, P) float64, symmetric.
        players: how many of the parameters, the first ones, are abilities.

    Returns:
        (P, P) float64.
    """
    shift = torch.zeros_like(information[0])
    shift[:players] = 1.0
    flat = torch.outer(shift, shift)
    scale = information.diagonal().mean() / players
    return torch.linalg.inv(information + scale * flat) - flat / (scale * players**2)


def bt_mm_path(wins: Tensor, steps: int) -> Tensor:
    """The classical iteration, from equal abilities: worth_i <- wins of i / sum over j of games_ij / (worth_i + worth_j).

    Worth is the exponential of ability. Zermelo, "Die Berechnung der Turnier-Ergebnisse als ein Maximumproblem der
    Wahrscheinlichkeitsrechnung" (Mathematische Zeitschrift, 1929); as a minorise-maximise algorithm, Hunter, "MM algorithms
    for generalized Bradley-Terry models" (Annals of Statistics, 2004).

    Args:
        wins: (K, K): [i, j] counts how often i beat j; everybody won at least once.
        steps: number of iterations.

    Returns:
        (steps + 1, K) float64: centred abilities before the first iteration and after each.

    Raises:
        ValueError: the table is none, or somebody never won.
    """
    table = check_wins(wins, "bt_mm_path")
    games, won = table + table.T, table.sum(dim=1)
    if not (won > 0).all():
        raise ValueError(
            "bt_mm_path: somebody never won, so the worth would be 0 and the ability minus infinity"
        )
    abilities = table.new_zeros(len(table))
    path = [abilities]
    for _ in range(steps):
        worth = abilities.exp()
        worth = won / (games / (worth.unsqueeze(1) + worth)).sum(dim=1)
        abilities = worth.log() - worth.log().mean()
        path.append(abilities)
    return torch.stack(path)


def bt_information(wins: Tensor, abilities: Tensor) -> Tensor:
    """Fisher information of the abilities: minus the second derivatives of the log-likelihood.

    With p = sigmoid(ability_i - ability_j), entry [i, j] is -games_ij * p * (1 - p); rows sum to zero.

    Args:
        wins: (K, K): [i, j] counts how often i beat j.
        abilities: (K,) floating point.

    Returns:
        (K, K) float64. It is singular: shifting all abilities changes nothing.
    """
    abilities = abilities.detach().double()
    chance = torch.sigmoid(abilities.unsqueeze(1) - abilities)
    weight = (wins + wins.T).double() * chance * chance.T  # chance.T is 1 - chance, without its rounding
    return torch.diag(weight.sum(dim=1)) - weight


def bt_covariance(wins: Tensor, abilities: Tensor) -> Tensor:
    """Covariance of the centred maximum-likelihood abilities: the pseudo-inverse of the Fisher information.

    The variance of a difference of two abilities is c[i, i] + c[j, j] - 2 c[i, j]. Source: Agresti, Categorical Data
    Analysis (section on paired preferences); the pseudo-inverse is what the constraint "mean zero" gives.

    Args:
        wins: (K, K): [i, j] counts how often i beat j.
        abilities: (K,) floating point; only their differences matter.

    Returns:
        (K, K) float64.

    Raises:
        ValueError: a table or a shape is wrong, or the players are not connected by games.
    """
    table = check_wins(wins, "bt_covariance")
    if abilities.shape != table.shape[:1]:
        raise ValueError(
            f"bt_covariance: abilities must have shape ({len(table)},), got {tuple(abilities.shape)}"
        )
    # With every game as a win of both sides, all that is left to ask is whether the players are connected.
    reason = no_finite_estimate(table + table.T)
    if reason is not None:
        raise ValueError(f"bt_covariance: {reason}.")
    return centred_inverse(bt_information(table, abilities), len(table))


def bt_standard_errors(wins: Tensor, abilities: Tensor) -> Tensor:
    """Standard errors of the centred abilities: square roots of the diagonal of `bt_covariance`.

    Args:
        wins: (K, K): [i, j] counts how often i beat j.
        abilities: (K,) floating point, the estimates.

    Returns:
        (K,) float64.

    Raises:
        ValueError: a table or a shape is wrong, or the players are not connected by games.
    """
    return bt_covariance(wins, abilities).diagonal().sqrt()


def simulate_wins(games: Tensor, abilities: Tensor, generator: torch.Generator) -> Tensor:
    """Play a season: every game's winner drawn from the Bradley-Terry model.

    Args:
        games: (..., K, K), symmetric: [i, j] counts the games between i and j; 0 on the diagonal.
        abilities: (K,) floating point, the true ones.
        generator: a CPU generator.

    Returns:
        (..., K, K) float64: [i, j] counts how often i beat j.
    """
    upper = torch.triu(games.double(), diagonal=1)
    chance = torch.sigmoid(abilities.double().unsqueeze(1) - abilities.double())
    # Wins of the player with the smaller number; the other player has the rest.
    first = torch.binomial(upper, chance.expand_as(upper).contiguous(), generator=generator)
    return first + (upper - first).mT


def _surplus(table: Tensor, abilities: Tensor) -> Tensor:
    """The gradient of the log-likelihood: wins of each player minus the wins that the abilities promise."""
    chance = torch.sigmoid(abilities.unsqueeze(1) - abilities)
    return table.sum(dim=1) - ((table + table.T) * chance).sum(dim=1)
