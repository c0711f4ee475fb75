"""TODO 1: abilities from a table of wins."""

import math

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.subject import Subject
from reward_lab.statistics.bradley_terry import bt_mle as right_mle
from reward_lab.statistics.bradley_terry import bt_mm_path
from reward_lab.statistics.datasets.baseball import load_baseball

from .vectors import Solve, agree, as_vector, draw_table, expect_value_error, recognised, vector_text

bt_mle = Exercise(
    "bt_mle",
    first_step="Decide on a way up the hill (section 3 has the equation at its top), and on "
    "what to do where there is no top.",
)


def _centred(values: Tensor) -> Tensor:
    return values - values.mean()


def _win_rates(wins: Tensor) -> Tensor:
    return wins.sum(dim=1) / (wins + wins.T).sum(dim=1)


def _per_pair_rates(wins: Tensor) -> Tensor:
    games = wins + wins.T
    return torch.where(games > 0, wins / games.clamp(min=1e-9), 0.0)


def _ridge(wins: Tensor) -> Tensor:
    """The maximum with a penalty of half the sum of squares: each player also draws against an average one."""
    abilities = torch.zeros(len(wins), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [abilities], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        margins = abilities.unsqueeze(1) - abilities
        value = -(wins * torch.nn.functional.logsigmoid(margins)).sum() + abilities.square().sum() / 2
        value.backward()
        return value

    optimizer.step(objective)
    return abilities.detach()


ABILITY_MISTAKES: dict[str, Solve] = {
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
    "One win was added to every cell. That is a prior; maximum likelihood takes the table as it is.": (
        lambda w: right_mle((w + 1).fill_diagonal_(0))
    ),
    "Half a win was added to every cell. That is a prior; maximum likelihood takes the table as it is.": (
        lambda w: right_mle((w + 0.5).fill_diagonal_(0))
    ),
    "A penalty on the squares pulls these towards 0. Maximum likelihood has none.": _ridge,
    "Only one iteration was made. Go on until the abilities no longer change.": lambda w: bt_mm_path(w, 1)[1],
    "This averages the log-odds of pairs. Pairs with few games then count for too much: use the likelihood of all games.": (
        lambda w: (w.log() - w.T.log()).fill_diagonal_(0).mean(dim=1)
    ),
}


def _check_abilities(subject: Subject, *tables: Tensor) -> None:
    for wins in tables:
        got = as_vector(subject.call(wins).value, len(wins), "the abilities")
        right = right_mle(wins)
        if not agree(got, right):
            likely = recognised(got, right, ABILITY_MISTAKES, (wins.double(),)) or _balance(
                wins.double(), got
            )
            raise Mistake(f"abilities {vector_text(right)}", vector_text(got), likely)


def _balance(wins: Tensor, abilities: Tensor) -> str | None:
    """Where the likelihood can still rise: a player whose wins are not what the abilities promise."""
    if not torch.isfinite(abilities).all():
        return "A step was too long, or the logarithm of 0 was taken. This table has a finite estimate."
    if abs(abilities.mean().item()) > 1e-2:
        return "The abilities should be centred: subtract their mean."
    promised = ((wins + wins.T) * torch.sigmoid(abilities.unsqueeze(1) - abilities)).sum(dim=1)
    won = wins.sum(dim=1)
    player = (promised - won).abs().argmax().item()
    return (
        f"With your abilities player {player} is promised {promised[player]:.5g} wins, and has {won[player]:.5g}. At the "
        "maximum the two agree: go on for longer, with steps that fit the number of games."
    )


@bt_mle.case("two players, by hand", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    hand = torch.tensor([[0, 3], [1, 0]])
    drawn = draw_table(draw, 2, 20) + torch.tensor([[0, 4], [1, 0]])
    _check_abilities(subject, hand, drawn, hand.T.contiguous().float())


@bt_mle.case("baseball, and tables in which some pairs never met", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check_abilities(subject, load_baseball().wins)
    _check_abilities(subject, draw_table(draw, 5, 9), draw_table(draw, 8, 12, met=0.6))


@bt_mle.case("many games, half wins, abilities far apart", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    halves = draw_table(draw, 4, 30).double() + 0.5
    far = torch.tensor([[0, 60, 90], [3, 0, 40], [1, 2, 0]], dtype=torch.float32)
    _check_abilities(
        subject, halves.fill_diagonal_(0), far + torch.rand(3, 3, generator=draw).round().fill_diagonal_(0)
    )
    _check_abilities(subject, draw_table(draw, 6, 20_000))


@bt_mle.case("zeros that do no harm", points=0.25)
def _(subject: Subject, draw: torch.Generator) -> None:
    circle = torch.zeros(4, 4, dtype=torch.int64)
    order = torch.randperm(4, generator=draw)
    circle[order, order.roll(-1)] = 2  # each beats the next, and loses to the one before
    rounds = circle.clone()
    rounds[order[0], order[1]] = 5
    _check_abilities(subject, circle, rounds)


def _shuffled(draw: torch.Generator, wins: Tensor) -> Tensor:
    order = torch.randperm(len(wins), generator=draw)
    return wins[order][:, order]


def _two_groups(draw: torch.Generator, first: int, second: int) -> Tensor:
    """Two groups, each with a finite estimate, that never met."""
    return torch.block_diag(draw_table(draw, first, 6) + 1, draw_table(draw, second, 6) + 1).fill_diagonal_(0)


@bt_mle.case("a player or a group that never loses or never wins: an error", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    words, others = ("never loses", "never wins"), ("not connected",)
    for first, second, what in ((1, 4, "one player never loses"), (4, 1, "one player never wins")):
        wins = _two_groups(draw, first, second)
        wins[:first, first:] = 2
        expect_value_error(subject, _shuffled(draw, wins), why=what, words=words, others=others)
    wins = _two_groups(draw, 3, 3)
    wins[1, 4] = 1  # everybody has won and lost, but no one of the second group beat one of the first
    what = "each player has won and lost, but one group never loses to the rest"
    expect_value_error(subject, _shuffled(draw, wins), why=what, words=words, others=others)


@bt_mle.case("groups that never met: an error", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    words, others = ("not connected",), ("never loses", "never wins")
    why = "the players fall into groups that never met"
    tables = [_two_groups(draw, *sizes) for sizes in ((2, 3), (4, 1), (3, 3))]
    tables[2][1:, 0] = 0  # here both reasons hold: player 0 has not lost either
    for wins in tables:
        expect_value_error(subject, _shuffled(draw, wins).double(), why=why, words=words, others=others)
