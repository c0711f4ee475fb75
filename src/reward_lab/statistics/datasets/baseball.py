"""Baseball 1987: who won how often, at home and away."""

import csv
from importlib.resources import files
from typing import NamedTuple

import torch
from torch import Tensor


class Baseball(NamedTuple):
    """One season of the seven teams of a division, 13 games for each pair of teams.

    Fields: `teams`, their names; `home_wins`, (7, 7) int64, [i, j] counts wins of i over j at i's ground;
    `away_wins`, (7, 7) int64, [i, j] counts wins of i over j at j's ground.
    """

    teams: list[str]
    home_wins: Tensor
    away_wins: Tensor

    @property
    def wins(self) -> Tensor:
        """(7, 7) int64: [i, j] counts how often i beat j, wherever it was."""
        return self.home_wins + self.away_wins


def load_baseball() -> Baseball:
    """The season of 1987, American League, Eastern Division.

    Source: Agresti, Categorical Data Analysis, 2nd edition (2002), table 10.11. Published estimates, with Baltimore at 0:
    Milwaukee 1.58, Detroit 1.44, Toronto 1.29, New York 1.25, Boston 1.11, Cleveland 0.68; home advantage 0.302.
    """
    text = files(__package__).joinpath("baseball1987.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    teams = list(dict.fromkeys(row["home"] for row in rows))  # in the order of the published table
    home_wins = torch.zeros(len(teams), len(teams), dtype=torch.int64)
    away_wins = torch.zeros_like(home_wins)
    for row in rows:
        home, away = teams.index(row["home"]), teams.index(row["away"])
        home_wins[home, away] = int(row["home_wins"])
        away_wins[away, home] = int(row["away_wins"])
    return Baseball(teams, home_wins, away_wins)
