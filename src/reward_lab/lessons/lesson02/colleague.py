"""A colleague's program, which section 7 of lesson 2 asks to be mended, and the logs that it reads."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from reward_lab import statistics
from reward_lab.statistics.datasets.baseball import Baseball

Entry = tuple[int, int, int, bool]
"""(number of the game, team that keeps the log, its opponent, whether the team won)."""


class Fit(NamedTuple):
    """What a report holds: (K, K) wins, (K,) abilities, (K,) standard errors, (K, K) errors of differences."""

    wins: Tensor
    abilities: Tensor
    errors: Tensor
    errors_of_differences: Tensor


def colleagues_report(logs: Sequence[Entry], teams: int) -> Fit:
    """A colleague's program. Section 7 of lesson 2 asks what is wrong with it."""
    wins = torch.zeros(teams, teams, dtype=torch.float64)
    for _game, team, opponent, won in logs:
        if won:
            wins[team, opponent] += 1
        else:
            wins[opponent, team] += 1

    abilities = statistics.bt_mle(wins)
    covariance = statistics.bt_covariance(wins, abilities)
    variances = covariance.diagonal()
    of_differences = variances.unsqueeze(1) + variances - 2 * covariance
    return Fit(
        wins=wins,
        abilities=abilities,
        errors=variances.sqrt(),
        errors_of_differences=of_differences.clamp(min=0).sqrt(),
    )


def team_logs(season: Baseball) -> list[Entry]:
    """The logs of all teams, one after the other: a team notes each game that it played."""
    games = [pair for pair in season.wins.nonzero().tolist() for _ in range(int(season.wins[tuple(pair)]))]
    return [
        (number, team, loser if team == winner else winner, team == winner)
        for team in range(len(season.teams))
        for number, (winner, loser) in enumerate(games)
        if team in (winner, loser)
    ]
