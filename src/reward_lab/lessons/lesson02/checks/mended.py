"""TODO 4: the colleague's count of games, mended."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import Outcome, expect_like
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe
from reward_lab.lessons.lesson02.colleague import Entry, team_logs
from reward_lab.statistics.datasets.baseball import load_baseball

count_games = Exercise(
    "count_games",
    first_step="Take one game of the example, and count in how many lines it stands.",
    withholds=("reward_lab.lessons.lesson02.colleague.colleagues_report",),
)

Count = Callable[[Sequence[Entry], int], Tensor]
Pairs = Sequence[tuple[int, int]]
"""(winner, loser) of each line."""


def _pair(entry: Entry) -> tuple[int, int]:
    _, team, opponent, won = entry
    return (team, opponent) if won else (opponent, team)


def _table(pairs: Pairs, teams: int) -> Tensor:
    wins = torch.zeros(teams, teams, dtype=torch.float64)
    for winner, loser in pairs:
        wins[winner, loser] += 1
    return wins


def right_count(logs: Sequence[Entry], teams: int) -> Tensor:
    """(K, K) float64 table of wins: every game once."""
    return _table({entry[0]: _pair(entry) for entry in logs}.values(), teams)


def _both(logs: Sequence[Entry], teams: int) -> Tensor:
    """As the colleague counts."""
    return _table([_pair(entry) for entry in logs], teams)


def _of(keep: Callable[[Entry], bool]) -> Count:
    """Only lines of this kind."""
    return lambda logs, teams: _table([_pair(entry) for entry in logs if keep(entry)], teams)


def _once_each(key: Callable[[Entry], object]) -> Count:
    """One line of all that agree in this."""
    return lambda logs, teams: _table({key(entry): _pair(entry) for entry in logs}.values(), teams)


def _in_both_logs(logs: Sequence[Entry], teams: int) -> Tensor:
    """Only games that both sides noted."""
    counted = [entry[0] for entry in logs]
    return _once_each(lambda e: e[0])([e for e in logs if counted.count(e[0]) == 2], teams)


def _only_once(logs: Sequence[Entry], teams: int) -> Tensor:
    """Only games that one side noted."""
    counted = [entry[0] for entry in logs]
    return _table([_pair(e) for e in logs if counted.count(e[0]) == 1], teams)


COUNT_MISTAKES: dict[str, Count | list[Count]] = {
    "A game that stands in two logs still counts twice.": _both,
    "Everything is halved. A game that one side alone noted then counts half.": lambda e, k: _both(e, k) / 2,
    "Everything is halved and rounded. A game that one side alone noted is lost, or not: that is luck.": [
        lambda e, k: (_both(e, k) / 2).floor(), lambda e, k: (_both(e, k) / 2).ceil(),
        lambda e, k: (_both(e, k) / 2).round()
    ],
    "Only the winners' lines are counted. A game that the loser alone noted is missing.": _of(lambda e: e[3]),
    "Only the losers' lines are counted. A game that the winner alone noted is missing.": _of(lambda e: not e[3]),
    "Only lines of the team with the smaller number are counted. A game that the other alone noted is missing.": _of(
        lambda e: e[1] < e[2]
    ),
    "Only lines of the team with the larger number are counted. A game that the other alone noted is missing.": _of(
        lambda e: e[1] > e[2]
    ),
    "Only games that stand in both logs are counted. One log is enough.": _in_both_logs,
    "Only games that stand in one log are counted.": _only_once,
    "Games of the same two teams with the same winner are taken for one. Their numbers tell them apart.": _once_each(
        _pair
    ),
    "Two teams that met count as one game. The numbers of the games tell them apart.": _once_each(
        lambda e: (min(e[1:3]), max(e[1:3]))
    ),
    "Lines that are alike are taken for one. The two lines of a game differ: each names its own team first.": (
        lambda e, k: _table([_pair(entry) for entry in dict.fromkeys(map(tuple, e))], k)
    ),
    "Rows and columns are swapped: row i holds the wins of i.": lambda e, k: right_count(e, k).T,
    "Rows and columns are swapped, and games count twice.": lambda e, k: _both(e, k).T,
    "The result is not read: the team whose log it is seems to have won every game.": [
        lambda e, k: _table([entry[1:3] for entry in e], k),
        lambda e, k: _table({entry[0]: entry[1:3] for entry in reversed(e)}.values(), k),
        lambda e, k: _table({entry[0]: entry[1:3] for entry in e}.values(), k),
    ],
    "Each game is a win of both sides here.": lambda e, k: right_count(e, k) + right_count(e, k).T,
    "These are shares of games won, not numbers of wins.": lambda e, k: (
        (right_count(e, k) / (right_count(e, k) + right_count(e, k).T)).nan_to_num()
    ),
}  # fmt: skip


def _read(value: object, arguments: tuple) -> Outcome:
    _, teams = arguments
    form = f"a table of shape ({teams}, {teams})"
    if type(value) in (list, tuple):
        try:
            value = torch.tensor(value, dtype=torch.float64)
        except (TypeError, ValueError):
            raise Mistake(form, describe(value)) from None
    if not isinstance(value, Tensor):
        array = "ndarray" in getattr(value, "type_name", "")
        raise Mistake(
            form, describe(value), "Turn it into a tensor: torch.as_tensor(...)." if array else None
        )
    if tuple(value.shape) != (teams, teams):
        raise Mistake(form, describe(value), "Teams without a game have a row and a column too.")
    return {"wins": value.detach().cpu().double()}


def _expect(subject: Subject, *calls: tuple[Sequence[Entry], int]) -> None:
    expect_like(subject, right_count, COUNT_MISTAKES, [(list(e), k) for e, k in calls], _read)


def _logs(draw: torch.Generator, teams: int, games: int, lost: float = 0.0) -> tuple[list[Entry], int]:
    """Logs of drawn games in a drawn order, with their numbers; this share of the lines was lost, never both of a game."""
    numbers = torch.randperm(10 * games, generator=draw)[:games].tolist()
    lines: list[Entry] = []
    for number in numbers:
        winner, loser = torch.randperm(teams, generator=draw)[:2].tolist()
        both: list[Entry] = [(number, winner, loser, True), (number, loser, winner, False)]
        fate, side = torch.rand(2, generator=draw).tolist()
        lines += both if fate >= lost else [both[int(side < 0.5)]]
    order = torch.randperm(len(lines), generator=draw).tolist()
    return [lines[place] for place in order], teams


HAND: list[Entry] = [(1, 0, 1, True), (1, 1, 0, False), (2, 0, 1, True), (2, 1, 0, False), (3, 1, 0, True)]


@count_games.case("the five lines of the example", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _expect(subject, (HAND, 2))


@count_games.case("complete logs: each game stands in two", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _expect(subject, (team_logs(load_baseball()), 7), _logs(draw, 4, 40), _logs(draw, 2, 90))


@count_games.case("logs with missing lines, and teams that never met", points=1.0)
def _(subject: Subject, draw: torch.Generator) -> None:
    _expect(subject, _logs(draw, 3, 30, lost=0.5), _logs(draw, 9, 25, lost=0.4), ([], 3))
