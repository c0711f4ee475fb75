"""TODO 3: from a log of games to a leaderboard with standard errors."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import Outcome, expect_like
from reward_lab.checks.numbers import as_number
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe
from reward_lab.lessons.lesson02.leaderboard import Game, Row, season_as_games
from reward_lab.lessons.lesson02.leaderboard import leaderboard as right_board
from reward_lab.statistics import bt_covariance, bt_mle, bt_standard_errors
from reward_lab.statistics.datasets.baseball import load_baseball

from .vectors import draw_table, expect_value_error

leaderboard = Exercise(
    "leaderboard",
    first_step="Write the table of the three games in the example on paper, with a row and a column for each name.",
    withholds=("reward_lab.lessons.lesson02.colleague.colleagues_report",),
    uses=(
        "bt_mle",
        "bt_standard_errors",
        "bt_covariance",
        "bt_information",
        "centred_inverse",
        "maximise",
        "no_finite_estimate",
    ),
)

Board = Callable[[Sequence[Game]], list[Row]]
HALF = {"first": (1.0, 0.0), "second": (0.0, 1.0), "tie": (0.5, 0.5)}
NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Fay", "Gus", "Hal", "Ida", "Jo", "Kim", "Lea")


def _names(games: Sequence[Game]) -> list[str]:
    """In the order in which they turn up."""
    return list(dict.fromkeys(name for first, second, _ in games for name in (first, second)))


def _board(
    share: dict[str, tuple[float, float]] = HALF,
    rank: Callable[[list[Row]], list[Row]] = lambda rows: sorted(rows, key=lambda row: -row[1]),
    errors: Callable[[Tensor, Tensor], Tensor] = bt_standard_errors,
    abilities: Callable[[Tensor], Tensor] = bt_mle,
    change: Callable[[Tensor], Tensor] = lambda wins: wins,
    table_names: Callable[[list[str]], list[str]] = lambda names: names,
    distinct: bool = False,
) -> Board:
    """A leaderboard that goes about one part of it in its own way.

    Args:
        share: result -> wins of the first and of the second player.
        rank: puts the rows in order.
        errors: of a table and abilities.
        abilities: of a table.
        change: what is done to the table before the fit.
        table_names: the names in the order of the table's rows, from those in the order of the log.
        distinct: every line that comes again is left out.
    """

    def board(games: Sequence[Game]) -> list[Row]:
        games = list(dict.fromkeys(map(tuple, games))) if distinct else games
        names = _names(games)
        number = {name: place for place, name in enumerate(table_names(names))}
        wins = torch.zeros(len(names), len(names), dtype=torch.float64)
        for first, second, result in games:
            of_first, of_second = share[result]
            wins[number[first], number[second]] += of_first
            wins[number[second], number[first]] += of_second
        wins = change(wins)
        found = abilities(wins)
        rows = zip(names, found.tolist(), errors(wins, bt_mle(wins)).tolist(), strict=True)
        return rank(list(rows))

    return board


def _unordered_errors(games: Sequence[Game]) -> list[Row]:
    """Names and abilities are sorted, the standard errors are left in the table's order."""
    rows = _board(rank=list)(games)
    best_first = sorted(rows, key=lambda row: -row[1])
    return [(name, a, left[2]) for (name, a, _), left in zip(best_first, rows, strict=True)]


def _order_twice(games: Sequence[Game]) -> list[Row]:
    """Abilities and errors are sorted, the names are not."""
    rows = _board(rank=list)(games)
    best_first = sorted(rows, key=lambda row: -row[1])
    return [(left[0], a, e) for (_, a, e), left in zip(best_first, rows, strict=True)]


def _win_rates(wins: Tensor) -> Tensor:
    return wins.sum(1) / (wins + wins.T).sum(1)


def _against(place: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Standard errors of the differences from one player: the one in this place of the order of abilities."""

    def errors(wins: Tensor, abilities: Tensor) -> Tensor:
        covariance, at = bt_covariance(wins, abilities), abilities.argsort()[place]
        return (covariance.diagonal() + covariance[at, at] - 2 * covariance[at]).clamp(min=0).sqrt()

    return errors


BOARD_MISTAKES: dict[str, Board | list[Board]] = {
    "The rows are sorted with the worst player first.": _board(rank=lambda rows: sorted(rows, key=lambda r: r[1])),
    "The rows are sorted by name. The best player comes first.": _board(rank=sorted),
    "The rows stand in the order in which the names turn up. Sort them: the best player comes first.": _board(rank=list),
    "The standard errors stayed in the order of the table when the rest was sorted. Sort whole rows.": _unordered_errors,
    "The names stayed in the order of the table when the rest was sorted. Sort whole rows.": _order_twice,
    "Ties are left out. A tie is half a win for both.": _board(HALF | {"tie": (0.0, 0.0)}),
    "A tie counts as a whole win for both. It is half a win for both.": _board(HALF | {"tie": (1.0, 1.0)}),
    "A tie counts as a win of one side. It is half a win for both.": [
        _board(HALF | {"tie": (1.0, 0.0)}), _board(HALF | {"tie": (0.0, 1.0)})
    ],
    "The result is not read: the first player seems to have won every game.": _board(
        dict.fromkeys(HALF, (1.0, 0.0)), abilities=lambda w: bt_mle(w)
    ),
    "Winner and loser are swapped: row i of the table holds the wins of i.": _board(
        {"first": (0.0, 1.0), "second": (1.0, 0.0), "tie": (0.5, 0.5)}
    ),
    "Games that come again in the log are counted once only. Each line is a game.": _board(distinct=True),
    "Each pair that met counts as one game. Add up the games.": _board(
        change=lambda w: (w / (w + w.T)).nan_to_num()
    ),
    "These are win rates in place of abilities.": _board(abilities=_win_rates),
    "These are variances. A standard error is the square root.": _board(
        errors=lambda w, a: bt_standard_errors(w, a).square()
    ),
    "The standard errors are those of equal players: take the curvature at the estimates.": _board(
        errors=lambda w, a: bt_standard_errors(w, torch.zeros_like(a))
    ),
    "These are half-widths of 95 % intervals, 1.96 standard errors.": _board(
        errors=lambda w, a: 1.96 * bt_standard_errors(w, a)
    ),
    "The standard errors count every game twice.": _board(errors=lambda w, a: bt_standard_errors(2 * w, a)),
    "Every line adds to both halves of the table, as a win of either side.": _board(change=lambda w: w + w.T),
    "The standard errors are those of differences from one player. The abilities' own are asked for.": [
        _board(errors=_against(place)) for place in (-1, 0)
    ],
    "The last player is at 0. The abilities are centred.": _board(abilities=lambda w: bt_mle(w) - bt_mle(w).min()),
    "The best player is at 0. The abilities are centred.": _board(abilities=lambda w: bt_mle(w) - bt_mle(w).max()),
    "The names are sorted in one place and not in another, so numbers land beside the wrong names.": _board(
        table_names=sorted
    ),
    "Each standard error is that of one player alone, as if all others were known.": _board(
        errors=lambda w, a: ((w + w.T) * torch.sigmoid(a[:, None] - a) * torch.sigmoid(a - a[:, None]))
        .sum(1).rsqrt()
    ),
}  # fmt: skip


def _read(value: object, arguments: tuple) -> Outcome:
    """A list of rows as one number for each thing that is said of a player."""
    (games,) = arguments
    names = sorted(_names(games))
    form = f"a list of {len(names)} rows (name, ability, standard error)"
    if type(value) not in (list, tuple):
        keys = "Turn the dict into a list of rows." if type(value) is dict else None
        raise Mistake(form, describe(value), keys)
    if not all(type(row) in (list, tuple) and len(row) == 3 and type(row[0]) is str for row in value):
        raise Mistake(form, "a list that holds something else", "Each row is a tuple: the name comes first.")
    if sorted(row[0] for row in value) != names:
        raise Mistake(
            f"one row for each of {', '.join(names)}",
            f"rows for {', '.join(row[0] for row in value)}",
            "Whoever has played has a row, whether first or second in the log.",
        )
    found = {}
    for place, (name, ability, error) in enumerate(value, 1):
        for what, number in (("ability", ability), ("standard error", error)):
            number = number.detach() if isinstance(number, Tensor) else number
            found[f"the {what} of {name}"] = torch.tensor(as_number(number, f"{what}: a number")).double()
        found[f"the place of {name}"] = torch.tensor(float(place)).double()
    return {key: found[key] for key in sorted(found)}


def _expect(subject: Subject, *logs: Sequence[Game]) -> None:
    calls = [(list(games),) for games in logs]
    try:
        expect_like(subject, right_board, BOARD_MISTAKES, calls, _read, rtol=1e-3, atol=1e-3)
    except Mistake as mistake:
        if not mistake.got.startswith("ValueError"):
            raise
        refused = "This log has a finite estimate, if each tie counts as half a win for both."
        raise Mistake(mistake.expected, mistake.got, refused) from None


def _log(draw: torch.Generator, players: int, games: int, ties: float = 0.0) -> list[Game]:
    """The log of a drawn table with a finite estimate, without its ties too, and with no two players close to each other.

    Args:
        draw: the generator.
        players: how many.
        games: at most this many wins of each over each other.
        ties: share of games that end so.
    """
    while True:
        names = [NAMES[place] for place in torch.randperm(len(NAMES), generator=draw)[:players]]
        log = []
        for i, j in draw_table(draw, players, games).nonzero().tolist():
            for _ in range(int(torch.randint(1, games, (1,), generator=draw))):
                turned, tied = torch.rand(2, generator=draw).tolist()
                first, second = (j, i) if turned < 0.5 else (i, j)
                result = "tie" if tied < ties else "second" if turned < 0.5 else "first"
                log.append((names[first], names[second], result))
        log = [log[place] for place in torch.randperm(len(log), generator=draw)]
        try:
            right_board([game for game in log if game[2] != "tie"])
            abilities = torch.tensor([row[1] for row in right_board(log)])
        except ValueError:
            continue
        if len(abilities) == players and (abilities[:-1] - abilities[1:]).min() > 0.02:
            return log


HAND: list[Game] = [("Ben", "Ada", "second"), ("Ada", "Ben", "first"), ("Ben", "Ada", "tie")]


@leaderboard.case("the three games of the example, by hand", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _expect(subject, HAND, _log(draw, 2, 8, ties=0.3))


@leaderboard.case("the season, and drawn logs without ties", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    often = [("Ada", "Ben", "first")] * 70 + [("Ben", "Ada", "first")] * 35
    _expect(subject, season_as_games(load_baseball()), _log(draw, 5, 6), _log(draw, 3, 5), often)


@leaderboard.case("logs with ties", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _expect(subject, _log(draw, 6, 6, ties=0.3), _log(draw, 4, 5, ties=0.5))


@leaderboard.case("somebody never lost: an error", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    log = _log(draw, 4, 5, ties=0.2)
    above = [("Zoe", name, "first") for name in _names(log)]
    expect_value_error(subject, log + above, why="Zoe never lost")
    _expect(subject, log, log + above + [(log[0][0], "Zoe", "tie")])
