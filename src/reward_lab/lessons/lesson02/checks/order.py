"""TODO 3: abilities together with the advantage of being at home."""

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.numbers import as_number
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe, number_text
from reward_lab.statistics.bradley_terry import bt_mle
from reward_lab.statistics.datasets.baseball import load_baseball
from reward_lab.statistics.order_effect import bt_order_effect as right_effect

from .vectors import Solve, agree, as_vector, draw_table, expect_value_error, recognised, vector_text

bt_order_effect = Exercise(
    "bt_order_effect",
    first_step="Ask of each of the two tables: what is the margin of the winner, seen from its side?",
)


def _joined(abilities: Tensor, alpha: float | Tensor) -> Tensor:
    """Abilities and alpha as one vector, alpha last."""
    return torch.cat([abilities, torch.as_tensor(alpha, dtype=torch.float64).reshape(1)])


def _alpha_times(factor: float) -> Solve:
    def effect(home: Tensor, away: Tensor) -> Tensor:
        abilities, alpha = right_effect(home, away)
        return _joined(abilities, factor * alpha)

    return effect


def _log_odds(home: Tensor, away: Tensor) -> Tensor:
    return torch.log(home.sum() / away.sum())


def _shifted(reference: int) -> Solve:
    def effect(home: Tensor, away: Tensor) -> Tensor:
        abilities, alpha = right_effect(home, away)
        return _joined(abilities - abilities[reference], alpha)

    return effect


def _flipped(home: Tensor, away: Tensor) -> Tensor:
    abilities, alpha = right_effect(home, away)
    return _joined(-abilities, alpha)


def _exponential(home: Tensor, away: Tensor) -> Tensor:
    abilities, alpha = right_effect(home, away)
    return _joined(abilities, torch.tensor(alpha).exp())


ORDER_MISTAKES: dict[str, Solve] = {
    "The sign of alpha is wrong: it is added to the margin of the side at home.": _alpha_times(-1),
    "Alpha is half of what it should be. The visitor gets nothing: the margin at home is alpha + a_i - a_j.": _alpha_times(
        0.5
    ),
    "Alpha is twice what it should be. The margin at home is alpha + a_i - a_j.": _alpha_times(2),
    "This alpha is a factor on the odds. Return the log-odds.": _exponential,
    "The away table is read the wrong way round: away_wins[i, j] are wins of i at j's ground.": (
        lambda h, a: _joined(*right_effect(h, a.T))
    ),
    "The home table is read the wrong way round: home_wins[i, j] are wins of i at i's ground.": (
        lambda h, a: _joined(*right_effect(h.T, a))
    ),
    "The sign of the abilities is wrong: row i holds the wins of i.": _flipped,
    "The abilities are not centred: the first team is at 0. Subtract the mean.": _shifted(0),
    "The abilities are not centred: the last team is at 0. Subtract the mean.": _shifted(-1),
    "These are abilities fitted without alpha, beside the raw log-odds of home wins. Fit both together.": (
        lambda h, a: _joined(bt_mle(h + a), _log_odds(h, a))
    ),
    "This alpha is the raw log-odds of home wins. It ignores who was at home: fit it together with the abilities.": (
        lambda h, a: _joined(right_effect(h, a)[0], _log_odds(h, a))
    ),
    "The abilities are those without alpha. Fit both together.": lambda h, a: _joined(
        bt_mle(h + a), right_effect(h, a)[1]
    ),
    "Alpha is 0, and the abilities are those without it.": lambda h, a: _joined(bt_mle(h + a), 0.0),
}


def _check_effect(subject: Subject, home: Tensor, away: Tensor) -> None:
    players = len(home)
    value = subject.call(home, away).value
    if type(value) not in (tuple, list) or len(value) != 2:
        raise Mistake(
            "two values, the abilities and alpha", describe(value), "End with `return abilities, alpha`."
        )
    if isinstance(value[1], Tensor) and value[1].shape == (players,):
        raise Mistake("first the abilities, then alpha", "them the other way round")
    abilities = as_vector(value[0], players, "the abilities")
    # A parameter is as good as a number.
    alpha = value[1].detach() if isinstance(value[1], Tensor) else value[1]
    got = _joined(abilities, as_number(alpha, "alpha as a number"))
    right = _joined(*right_effect(home, away))
    if not agree(got, right):
        likely = recognised(got, right, ORDER_MISTAKES, (home.double(), away.double())) or _half_right(
            got, right
        )
        raise Mistake(_effect_text(right), _effect_text(got), likely)


def _half_right(got: Tensor, right: Tensor) -> str | None:
    if not torch.isfinite(got).all():
        return "A step was too long, or the logarithm of 0 was taken. These tables have a finite estimate."
    if abs(got[:-1].mean().item()) > 1e-2:
        return "The abilities should be centred: subtract their mean."
    if agree(got[:-1], right[:-1]):
        return "The abilities are right. Look at alpha."
    if agree(got[-1:], right[-1:]):
        return "Alpha is right. Look at the abilities."
    return None


def _effect_text(vector: Tensor) -> str:
    return f"abilities {vector_text(vector[:-1])} and alpha {number_text(vector[-1].item())}"


@bt_order_effect.case("two teams, by hand", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    home, away = torch.tensor([[0, 3], [1, 0]]), torch.tensor([[0, 1], [1, 0]])
    _check_effect(subject, home, away)
    wins = torch.randint(2, 12, (2, 2, 2), generator=draw)
    wins[0, 0, 1] += 12  # team 0 is strong at home, whatever was drawn
    _check_effect(subject, *(table.clone().fill_diagonal_(0) for table in wins))


@bt_order_effect.case("baseball, and an uneven calendar", points=1.0)
def _(subject: Subject, draw: torch.Generator) -> None:
    season = load_baseball()
    _check_effect(subject, season.home_wins, season.away_wins)
    for players, dtype in ((4, torch.int64), (6, torch.float32)):
        home = draw_table(draw, players, 12) + torch.triu(torch.ones(players, players, dtype=torch.int64))
        away = draw_table(draw, players, 6)
        home[0] *= 3  # the first team plays at home more often than it travels
        _check_effect(subject, home.fill_diagonal_(0).to(dtype), away.to(dtype))


@bt_order_effect.case("being at home can be a disadvantage", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    home, away = draw_table(draw, 5, 6), draw_table(draw, 5, 20) + 2
    _check_effect(subject, home, away.fill_diagonal_(0))


@bt_order_effect.case("a team that never loses, or groups that never met: an error", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    home, away = draw_table(draw, 4, 6), draw_table(draw, 4, 6)
    for table in (home, away):
        table[1:, 0] = 0
        table[0, 1:] = 2
    expect_value_error(subject, home, away, why="one team never loses")
    groups = [torch.block_diag(draw_table(draw, 2, 6) + 1, draw_table(draw, 3, 6) + 1) for _ in range(2)]
    expect_value_error(
        subject, *(g.fill_diagonal_(0) for g in groups), why="the teams fall into groups that never met"
    )


@bt_order_effect.case("the same side wins every game: an error", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    wins, none = draw_table(draw, 4, 6), torch.zeros(4, 4, dtype=torch.int64)
    expect_value_error(
        subject, wins, none, why="the side at home wins every game, so alpha has no finite estimate"
    )
    expect_value_error(
        subject, none, wins, why="the side at home loses every game, so alpha has no finite estimate"
    )
