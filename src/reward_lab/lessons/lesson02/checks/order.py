"""TODO 5: abilities together with the advantage of being at home."""

from collections.abc import Sequence

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.numbers import as_number
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe, number_text
from reward_lab.statistics.datasets.baseball import load_baseball
from reward_lab.statistics.order_effect import bt_order_effect as right_effect

from .order_mistakes import ORDER_MISTAKES, PENALTY, joined
from .vectors import (
    Judge,
    agree,
    as_vector,
    draw_table,
    expect_value_error,
    penalised,
    two_groups,
    vector_text,
)

bt_order_effect = Exercise(
    "bt_order_effect",
    first_step="Ask of each of the two tables: what is the margin of the winner, seen from its side?",
    withholds=(
        "reward_lab.statistics.win_graph.no_finite_order_effect",
        "reward_lab.statistics.order_effect._gradient",
        "reward_lab.statistics.order_effect._information",
    ),
)


def _read(value: object, tables: tuple) -> Tensor:
    players = len(tables[0])
    if type(value) not in (tuple, list) or len(value) != 2:
        raise Mistake(
            "two values, the abilities and alpha", describe(value), "End with `return abilities, alpha`."
        )
    if isinstance(value[1], Tensor) and value[1].shape == (players,):
        raise Mistake("first the abilities, then alpha", "them the other way round")
    abilities = as_vector(value[0], players, "the abilities")
    # A parameter is as good as a number.
    alpha = value[1].detach() if isinstance(value[1], Tensor) else value[1]
    return joined(abilities, as_number(alpha, "alpha as a number"))


def _right(home: Tensor, away: Tensor) -> Tensor:
    return joined(*right_effect(home, away))


def _explain(got: list[Tensor], want: list[Tensor], calls: Sequence[tuple]) -> str | None:
    """What the numbers themselves show, in the first call that is off."""
    wrong = [(a, b, *tables) for a, b, tables in zip(got, want, calls, strict=True) if not agree(a, b)]
    found, right, home, away = wrong[0]
    if not torch.isfinite(found).all():
        return "A step was too long, or the logarithm of 0 was taken. These tables have a finite estimate."
    if abs(found[:-1].mean().item()) > 1e-2:
        return "The abilities should be centred: subtract their mean."
    if agree(found[:-1], right[:-1]):
        return "The abilities are right. Look at alpha."
    if agree(found[-1:], right[-1:]):
        return "Alpha is right. Look at the abilities."
    if any(len(a) > 3 for a, *_ in wrong) and all(_is_penalised(a, h, w) for a, _, h, w in wrong):
        return PENALTY
    promised = _promised(found, home, away).sum().item()
    return (
        f"With your numbers the home side is promised {promised:.5g} wins, and has {home.sum().item():.5g}. At the "
        "maximum the two agree, for each team as well: leave any penalty out, and go on for longer, with steps that fit "
        "the number of games."
    )


def _promised(found: Tensor, home: Tensor, away: Tensor) -> Tensor:
    """(K, K) wins of i over j at i's ground that these numbers promise."""
    abilities, alpha = found[:-1], found[-1]
    return (home + away.T) * torch.sigmoid(alpha + abilities.unsqueeze(1) - abilities)


def _is_penalised(found: Tensor, home: Tensor, away: Tensor) -> bool:
    surplus = home - _promised(found, home, away)
    return penalised(found[:-1], surplus.sum(dim=1) - surplus.sum(dim=0))


REFUSED = (
    "These tables have a finite estimate: the graph of all wins, at home or away, is strongly connected. Test the sum "
    "of the two tables, not each by itself, and leave pairs alone that met at one ground only."
)
JUDGE = Judge(
    read=_read,
    right=_right,
    mistakes=ORDER_MISTAKES,
    text=lambda vector: f"abilities {vector_text(vector[:-1])} and alpha {number_text(vector[-1].item())}",
    explain=_explain,
    refused=REFUSED,
)


def _uneven(draw: torch.Generator, players: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A season in which the first team plays at home more often than it travels."""
    home = draw_table(draw, players, 12) + torch.triu(torch.ones(players, players, dtype=torch.int64))
    home[0] *= 3
    return home.fill_diagonal_(0).to(dtype), draw_table(draw, players, 6).to(dtype)


def _one_ground_each(draw: torch.Generator, players: int) -> tuple[Tensor, Tensor]:
    """A season in which each pair met at the ground of one of the two only. Neither table is connected by itself."""
    home, away = (torch.randint(1, 6, (players, players), generator=draw) for _ in range(2))
    return torch.triu(home, diagonal=1), torch.tril(away, diagonal=-1)


@bt_order_effect.case("two teams, by hand", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    wins = torch.randint(2, 12, (2, 2, 2), generator=draw)
    wins[0, 0, 1] += 12  # team 0 is strong at home, whatever was drawn
    drawn = tuple(table.clone().fill_diagonal_(0) for table in wins)
    JUDGE.expect(subject, (torch.tensor([[0, 3], [1, 0]]), torch.tensor([[0, 1], [1, 0]])), drawn)


@bt_order_effect.case("baseball, and an uneven calendar", points=1.0)
def _(subject: Subject, draw: torch.Generator) -> None:
    season = load_baseball()
    JUDGE.expect(
        subject,
        (season.home_wins, season.away_wins),
        _uneven(draw, 4, torch.int64),
        _uneven(draw, 6, torch.float32),
        (draw_table(draw, 5, 20_000), draw_table(draw, 5, 20_000)),
    )
    halves = tuple((table + 0.5).fill_diagonal_(0) for table in _uneven(draw, 4, torch.float64))
    one_ground = _one_ground_each(draw, 5)
    JUDGE.expect(subject, _uneven(draw, 4, torch.int64), halves, one_ground)


@bt_order_effect.case("being at home can be a disadvantage", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    home, away = draw_table(draw, 5, 6), draw_table(draw, 5, 20) + 2
    JUDGE.expect(subject, (home, away.fill_diagonal_(0)))


@bt_order_effect.case("a team that never loses, or groups that never met: an error", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    for never_loses, why in ((True, "one team never loses"), (False, "one team never wins")):
        home, away = draw_table(draw, 4, 6), draw_table(draw, 4, 6)
        for table in (home, away):
            table[1:, 0] = 0
            table[0, 1:] = 2
        pair = (home, away) if never_loses else (away.T, home.T)
        expect_value_error(subject, *(table.contiguous() for table in pair), why=why)
    above = [two_groups(draw, 2, 3), two_groups(draw, 2, 3)]
    for table in above:
        table[1, 3] = 1  # everybody has won and lost, but no one of the second group beat one of the first
    why = "each team has won and lost, but one group never loses to the rest"
    expect_value_error(subject, *above, why=why)
    expect_value_error(subject, *(table.flip(0, 1) for table in above), why=why)
    groups = [two_groups(draw, 2, 3) for _ in range(2)]
    expect_value_error(subject, *groups, why="the teams fall into groups that never met")


@bt_order_effect.case("the same side wins every game: an error", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    wins, none = draw_table(draw, 4, 6), torch.zeros(4, 4, dtype=torch.int64)
    expect_value_error(
        subject, wins, none, why="the side at home wins every game, so alpha has no finite estimate"
    )
    expect_value_error(
        subject, none, wins / 2, why="the side at home loses every game, so alpha has no finite estimate"
    )
