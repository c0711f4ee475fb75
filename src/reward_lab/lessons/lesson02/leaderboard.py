"""TODO 3 of lesson 2, the package's way: from the log of games to abilities with standard errors."""

from collections.abc import Sequence

import torch

from reward_lab.statistics import bt_mle, bt_standard_errors
from reward_lab.statistics.datasets.baseball import Baseball

Game = tuple[str, str, str]
"""(first player, second player, result), the result being "first", "second" or "tie"."""
Row = tuple[str, float, float]
"""(name, ability, standard error)."""


def leaderboard(games: Sequence[Game]) -> list[Row]:
    """Abilities with their standard errors, best player first.

    Args:
        games: of each game two names, and who won; a tie is half a win for both.

    Returns:
        A row for each player who has played.

    Raises:
        ValueError: there is no finite estimate.
    """
    names = sorted({name for first, second, _ in games for name in (first, second)})
    number = {name: place for place, name in enumerate(names)}
    wins = torch.zeros(len(names), len(names), dtype=torch.float64)
    for first, second, result in games:
        i, j = number[first], number[second]
        of_first = {"first": 1.0, "tie": 0.5, "second": 0.0}[result]
        wins[i, j] += of_first
        wins[j, i] += 1 - of_first
    abilities = bt_mle(wins)
    errors = bt_standard_errors(wins, abilities)
    rows = zip(names, abilities.tolist(), errors.tolist(), strict=True)
    return sorted(rows, key=lambda row: -row[1])


def season_as_games(season: Baseball) -> list[Game]:
    """A season as a log: the team at home first, one line per game."""
    games: list[Game] = []
    for i, home in enumerate(season.teams):
        for j, away in enumerate(season.teams):
            games += [(home, away, "first")] * int(season.home_wins[i, j])
            games += [(home, away, "second")] * int(season.away_wins[j, i])
    return games


def as_rows(board: Sequence[Sequence]) -> list[Row]:
    """A leaderboard as plain rows, whatever kinds of number a reader's own holds.

    Raises:
        TypeError, ValueError: it is no list of rows of a name and two numbers.
    """
    return [(str(name), float(ability), float(error)) for name, ability, error in board]
