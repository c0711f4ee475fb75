"""Comparisons that may end in a tie: the models of Davidson and of Rao and Kupper."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .bradley_terry import bt_mle

FIRST_WINS, SECOND_WINS, TIE = 0, 1, 2
"""What an outcome means."""

_PUDDINGS = Path(__file__).parent / "datasets" / "puddings.csv"


class Games(NamedTuple):
    """Comparisons, one a row. All three are (n,) int64."""

    first: Tensor
    """Item i of each comparison, from 0."""
    second: Tensor
    """Item j of each comparison."""
    outcome: Tensor
    """0: i wins, 1: j wins, 2: tie."""


def load_puddings() -> Games:
    """The 745 comparisons of six puddings of Davidson (1970), brands numbered 0 to 5, grouped by pair."""
    with _PUDDINGS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    table = torch.tensor([[int(number) for number in row.values()] for row in rows])  # (pairs, 5)
    counts = table[:, 2:].flatten()  # for each pair: wins of i, wins of j, ties
    return Games(
        (table[:, 0] - 1).repeat_interleave(3).repeat_interleave(counts),
        (table[:, 1] - 1).repeat_interleave(3).repeat_interleave(counts),
        torch.tensor([FIRST_WINS, SECOND_WINS, TIE]).repeat(len(table)).repeat_interleave(counts),
    )


def davidson_log_probabilities(ability_i: Tensor, ability_j: Tensor, log_nu: Tensor) -> Tensor:
    """Logarithms of the three probabilities in Davidson's model (1970, equation 2.8).

    With worths exp(ability), "i wins", "j wins" and "tie" are in the proportions
    worth_i : worth_j : nu * sqrt(worth_i * worth_j). In logarithms the third is a mean, so all three are the
    softmax of (ability_i, ability_j, log_nu + (ability_i + ability_j) / 2).

    Args:
        ability_i: (n,) floating point.
        ability_j: (n,) of the same dtype.
        log_nu: scalar; the higher, the more ties.

    Returns:
        (n, 3): i wins, j wins, tie.
    """
    scores = torch.stack([ability_i, ability_j, log_nu + (ability_i + ability_j) / 2], dim=1)  # (n, 3)
    return F.log_softmax(scores, dim=1)


def rao_kupper_log_probabilities(ability_i: Tensor, ability_j: Tensor, log_theta: Tensor) -> Tensor:
    """Logarithms of the three probabilities in Rao and Kupper's model (1967).

    One side wins only if it is ahead by more than a threshold: P(i wins) = sigmoid(ability_i - ability_j -
    log_theta), P(j wins) likewise, and a tie is the rest.

    Args:
        ability_i: (n,) floating point.
        ability_j: (n,) of the same dtype.
        log_theta: scalar above 0; the higher, the more ties.

    Returns:
        (n, 3): i wins, j wins, tie.
    """
    difference = ability_i - ability_j
    first, second = F.logsigmoid(difference - log_theta), F.logsigmoid(-difference - log_theta)
    # 1 - sigmoid(d - t) - sigmoid(-d - t) = (exp(2t) - 1) sigmoid(d - t) sigmoid(-d - t), without the
    # difference of nearly equal numbers.
    tie = torch.log(torch.expm1(2 * log_theta)) + first + second
    return torch.stack([first, second, tie], dim=1)


def davidson_nll(ability_i: Tensor, ability_j: Tensor, log_nu: Tensor, outcome: Tensor) -> Tensor:
    """Mean negative log-likelihood of comparisons with ties under Davidson's model.

    Args:
        ability_i: (n,) floating point, log-worth of the first item of each comparison.
        ability_j: (n,) of the same dtype, log-worth of the second.
        log_nu: scalar tensor, the logarithm of the tie parameter.
        outcome: (n,) int64. 0: i wins, 1: j wins, 2: tie.

    Returns:
        A scalar tensor: the mean over the comparisons, in nats.

    Raises:
        ValueError: the three shapes differ.
    """
    if not ability_i.shape == ability_j.shape == outcome.shape:
        raise ValueError(
            f"davidson_nll: abilities and outcome must have the same shape (n,), got {tuple(ability_i.shape)}, "
            f"{tuple(ability_j.shape)} and {tuple(outcome.shape)}"
        )
    return F.nll_loss(davidson_log_probabilities(ability_i, ability_j, log_nu), outcome)


def fit_davidson(games: Games) -> tuple[Tensor, float]:
    """Maximum likelihood fit of Davidson's model.

    Args:
        games: comparisons of items 0 to K - 1, with every item won from and lost to directly or through
            others, and at least one tie: otherwise no finite estimate exists.

    Returns:
        (K,) float64 abilities with mean 0, and log nu.
    """
    return _fit(games, davidson_log_probabilities, start=0.0, parameter=lambda raw: raw)


def fit_rao_kupper(games: Games) -> tuple[Tensor, float]:
    """Maximum likelihood fit of Rao and Kupper's model.

    Args:
        games: as for `fit_davidson`.

    Returns:
        (K,) float64 abilities with mean 0, and log theta, above 0.
    """
    # The threshold must stay above 0, so the search runs over its logarithm.
    return _fit(games, rao_kupper_log_probabilities, start=-1.0, parameter=torch.exp)


def fit_bradley_terry(games: Games, tie_share: float) -> Tensor:
    """Maximum likelihood fit of the Bradley-Terry model, which has no ties, to comparisons that have some.

    Args:
        games: as for `fit_davidson`.
        tie_share: what each side gets of a tie. 0 drops ties; 0.5 counts each as half a win for both.

    Returns:
        (K,) float64 abilities with mean 0.

    Raises:
        ValueError: no finite estimate exists; see `bt_mle`.
    """
    first, second, outcome = games
    items = int(torch.maximum(first, second).max()) + 1
    wins = torch.zeros(items, items, dtype=torch.float64, device=first.device)
    shared = tie_share * (outcome == TIE).double()
    wins.index_put_((first, second), (outcome == FIRST_WINS) + shared, accumulate=True)
    wins.index_put_((second, first), (outcome == SECOND_WINS) + shared, accumulate=True)
    return bt_mle(wins)


def _fit(
    games: Games, log_probabilities: Callable, start: float, parameter: Callable[[Tensor], Tensor]
) -> tuple[Tensor, float]:
    if not (games.outcome == TIE).any():
        raise ValueError("no finite estimate exists: there is no tie; fit a Bradley-Terry model instead")
    # Only how often each (i, j, outcome) came matters: a short table in place of many games.
    cells, counts = torch.unique(torch.stack(games), dim=1, return_counts=True)
    first, second, outcome = cells
    items = int(torch.maximum(first, second).max()) + 1
    free = torch.zeros(items + 1, dtype=torch.float64, device=first.device)
    free[-1] = start
    free.requires_grad_()
    optimizer = torch.optim.LBFGS(
        [free], max_iter=500, tolerance_grad=1e-10, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        logs = log_probabilities(free[first], free[second], parameter(free[-1]))
        chosen = logs.gather(1, outcome.unsqueeze(1)).squeeze(1)  # (cells,)
        value = -(counts * chosen).sum() / counts.sum()
        value.backward()
        return value

    optimizer.step(objective)
    abilities = free[:-1].detach()
    return abilities - abilities.mean(), parameter(free[-1].detach()).item()
