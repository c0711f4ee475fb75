"""TODO 1: abilities from a table of wins."""

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.subject import Subject
from reward_lab.statistics.bradley_terry import bt_log_likelihood, bt_mm_path
from reward_lab.statistics.bradley_terry import bt_mle as right_mle
from reward_lab.statistics.datasets.baseball import load_baseball

from .vectors import (
    PENALTY,
    Judge,
    Solve,
    agree,
    as_vector,
    draw_chain,
    draw_table,
    expect_value_error,
    penalised,
    penalised_maximum,
    shuffled,
    two_groups,
    vector_text,
)

bt_mle = Exercise(
    "bt_mle",
    first_step="Decide on a way up the hill (section 3 has the equation at its top), and on "
    "what to do where there is no top.",
    withholds=(
        "reward_lab.statistics.bradley_terry.bt_mm_path",
        "reward_lab.statistics.bradley_terry.maximise",
        "reward_lab.statistics.ties._fit",
        "reward_lab.statistics.win_graph.no_finite_estimate",
        "reward_lab.linear.fit_linear_bradley_terry",
    ),
)


def _centred(values: Tensor) -> Tensor:
    return values - values.mean()


def _win_rates(wins: Tensor) -> Tensor:
    return wins.sum(dim=1) / (wins + wins.T).sum(dim=1)


def _per_pair_rates(wins: Tensor) -> Tensor:
    games = wins + wins.T
    return torch.where(games > 0, wins / games.clamp(min=1e-9), 0.0)


def _ridge(weight: float) -> Solve:
    """The maximum with a penalty of `weight` times half the sum of squares."""

    return lambda wins: penalised_maximum(
        partial(bt_log_likelihood, wins), torch.full((len(wins),), weight, dtype=torch.float64)
    )


def _with_added(count: float) -> Solve:
    return lambda wins: right_mle((wins + count).fill_diagonal_(0))


def _after(rounds: int) -> Solve:
    """The classical iteration, stopped."""
    return lambda wins: bt_mm_path(wins, rounds)[rounds]


ABILITY_MISTAKES: dict[str, Solve | list[Solve]] = {
    "The sign is wrong: row i holds the wins of i, column i the losses. The best player should come out highest.": (
        lambda w: -right_mle(w)
    ),
    "These are not centred: they differ from the right ones by a constant. Subtract the mean.": (
        lambda w: right_mle(w) - right_mle(w)[0]
    ),
    "These are not centred: the last player is at 0. Subtract the mean.": lambda w: (
        right_mle(w) - right_mle(w)[-1]
    ),
    "These are worths, exp(ability), that sum to 1. Take logarithms, then centre.": (
        lambda w: right_mle(w).softmax(0)
    ),
    "These are worths, exp(ability). Take logarithms, then centre.": lambda w: right_mle(w).exp(),
    "The logarithm has base 10. Use the natural one.": lambda w: right_mle(w) / math.log(10),
    "This is the Elo scale, 400 points for a factor of 10. Use log-odds.": lambda w: (
        right_mle(w) * 400 / math.log(10)
    ),
    "These are standardised. Abilities are log-odds: centre them, but do not divide by their spread.": (
        lambda w: right_mle(w) / right_mle(w).std()
    ),
    "These are win rates. They ignore who was played against.": _win_rates,
    "These are log-odds of win rates. They ignore who was played against: solve for all abilities together.": (
        lambda w: _centred(torch.logit(_win_rates(w)))
    ),
    "Every pair counts as one game here. A pair that played more often should count for more.": (
        lambda w: right_mle(_per_pair_rates(w))
    ),
    "The counts were cut to whole numbers. Half a win counts half.": lambda w: right_mle(w.floor()),
    "One win was added to every cell. That is a prior; maximum likelihood takes the table as it is.": _with_added(
        1
    ),
    "Half a win was added to every cell. That is a prior; maximum likelihood takes the table as it is.": _with_added(
        0.5
    ),
    "A small number was added to every cell. Maximum likelihood takes the table as it is.": [
        _with_added(0.1),
        _with_added(0.01),
    ],
    PENALTY: [_ridge(1.0), _ridge(2.0)],
    "Only one iteration was made. Go on until the abilities no longer change.": _after(1),
    "The classical iteration was stopped early. In a long chain of players it moves little in a round: go on until the "
    "abilities no longer change.": [_after(rounds) for rounds in (2, 3, 5, 10, 20, 50, 100, 200, 500)],
    "This averages the log-odds of pairs. Pairs with few games then count for too much: use the likelihood of all games.": (
        lambda w: (w.log() - w.T.log()).fill_diagonal_(0).mean(dim=1)
    ),
}


def _explain(got: list[Tensor], want: list[Tensor], calls: Sequence[tuple]) -> str | None:
    """What the numbers themselves show, in the first call that is off."""
    fits = [(a, *tables) for a, right, tables in zip(got, want, calls, strict=True) if not agree(a, right)]
    abilities, wins = fits[0]
    if not torch.isfinite(abilities).all():
        return "A step was too long, or the logarithm of 0 was taken. This table has a finite estimate."
    if abs(abilities.mean().item()) > 1e-2:
        return "The abilities should be centred: subtract their mean."
    # Among two players every surplus is in proportion to the abilities.
    if any(len(w) > 2 for _, w in fits) and all(penalised(a, _missing(a, w)) for a, w in fits):
        return PENALTY
    missing = _missing(abilities, wins)
    player = missing.abs().argmax().item()
    won = wins.sum(dim=1)[player].item()
    return (
        f"With your abilities player {player} is promised {won - missing[player]:.5g} wins, and has {won:.5g}. At the "
        "maximum the two agree: leave any penalty out, and go on for longer, with steps that fit the number of games."
    )


def _missing(abilities: Tensor, wins: Tensor) -> Tensor:
    """(K,) wins of each player minus those that the abilities promise: the slope of the likelihood."""
    promised = ((wins + wins.T) * torch.sigmoid(abilities.unsqueeze(1) - abilities)).sum(dim=1)
    return wins.sum(dim=1) - promised


REFUSED = (
    "In this table arrows lead from every player to every other, some through many others. Only that counts: not how "
    "often they won, nor whether each pair met."
)
JUDGE = Judge(
    read=lambda value, tables: as_vector(value, len(tables[0]), "the abilities"),
    right=right_mle,
    mistakes=ABILITY_MISTAKES,
    text=lambda vector: f"abilities {vector_text(vector)}",
    explain=_explain,
    refused=REFUSED,
)


def _check_abilities(subject: Subject, *tables: Tensor) -> None:
    JUDGE.expect(subject, *((wins,) for wins in tables))


@bt_mle.case("two players, by hand", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    hand = torch.tensor([[0, 3], [1, 0]])
    drawn = draw_table(draw, 2, 20) + torch.tensor([[0, 4], [1, 0]])
    _check_abilities(subject, hand, drawn, hand.T.contiguous().float())


@bt_mle.case("baseball, and tables in which some pairs never met", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    sparse = draw_table(draw, 8, 12, met=0.6), draw_table(draw, 15, 9, met=0.2)
    _check_abilities(subject, load_baseball().wins, draw_table(draw, 5, 9), *sparse)


@bt_mle.case("many games, half wins, abilities far apart", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    halves = (draw_table(draw, 4, 30).double() + 0.5).fill_diagonal_(0)
    far = torch.tensor([[0, 60, 90], [3, 0, 40], [1, 2, 0]], dtype=torch.float32)
    far = far + torch.rand(3, 3, generator=draw).round().fill_diagonal_(0)
    _check_abilities(subject, draw_table(draw, 4, 9), halves, far, draw_table(draw, 6, 20_000))


@bt_mle.case("zeros that do no harm, and a long chain", points=0.25)
def _(subject: Subject, draw: torch.Generator) -> None:
    circle = torch.zeros(4, 4, dtype=torch.int64)
    order = torch.randperm(4, generator=draw)
    circle[order, order.roll(-1)] = 2  # each beats the next, and loses to the one before
    rounds = circle.clone()
    rounds[order[0], order[1]] = 5
    halves = circle / 4  # nobody has won a whole game
    _check_abilities(subject, draw_table(draw, 4, 9), circle, rounds, halves, draw_chain(draw, 15))


@bt_mle.case("a player or a group that never loses or never wins: an error", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    words, others = ("never loses", "never wins"), ("not connected",)
    for first, second, what in ((1, 4, "one player never loses"), (4, 1, "one player never wins")):
        wins = two_groups(draw, first, second)
        wins[:first, first:] = 2
        for number in (0, 4):  # player 0 stands once above, once below
            table = shuffled(draw, wins, number)
            expect_value_error(subject, table, why=what, words=words, others=others)
    wins = two_groups(draw, 3, 3)
    wins[1, 4] = 1  # everybody has won and lost, but no one of the second group beat one of the first
    what = "each player has won and lost, but one group never loses to the rest"
    for number in (0, 5):
        expect_value_error(subject, shuffled(draw, wins, number) / 2, why=what, words=words, others=others)


@bt_mle.case("groups that never met: an error", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    words, others = ("not connected",), ("never loses", "never wins")
    why = "the players fall into groups that never met"
    tables = [two_groups(draw, *sizes) for sizes in ((2, 3), (4, 1), (3, 3))]
    tables[2][1:, 0] = 0  # here both reasons hold: player 0 has not lost either
    for wins in tables:
        expect_value_error(subject, shuffled(draw, wins).double(), why=why, words=words, others=others)
